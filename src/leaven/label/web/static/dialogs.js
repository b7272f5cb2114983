// Help, the closer look, and who labels.
import { me, picture } from "./api.js";
import { $, TINY, make, memory, toast } from "./dom.js";

export function showName() { $("to-name").textContent = me.name; $("to-name").setAttribute("aria-label", `You are ${me.name}; change`); }

// A promise that is kept when a name is given.
export function askName() {
  $("who-name").value = me.name;
  $("who").showModal();
  return new Promise((go) => {
    $("who").oncancel = (event) => { if (!me.name) event.preventDefault(); };
    $("who").onclose = () => go();
    $("who-form").onsubmit = (event) => {
      event.preventDefault();
      const name = $("who-name").value.trim();
      if (!name) return;
      me.name = name;
      memory.set("name", name);
      $("who").close();
    };
  });
}

export function help() {
  const lines = [
    ["1 … 9 A … Z", "the class whose button shows the key"],
    ["Enter", "accept the model's guess"], ["H", "hide or show the guess"],
    ["Z or Backspace", "undo"], ["S", "skip"], ["U", "unsure"],
    ["G", "grid: many at once"], ["E", "edit the classes"], ["Space", "look closely"], ["?", "this help"],
  ];
  $("help-keys").replaceChildren(...lines.flatMap(([key, does]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, does)]));
  $("help").showModal();
}

// The image of a question, as large as it is, and at least as large as the screen; any key or click leads back.
export function look(entry) {
  if (!entry?.decoded) return;
  const image = make("img", { src: picture(entry.question, "whole"), alt: "The item to label, larger" });
  image.addEventListener("load", () => {
    image.classList.toggle("tiny", Math.max(image.naturalWidth, image.naturalHeight) <= TINY);
    image.classList.toggle("large", image.naturalWidth > innerWidth || image.naturalHeight > innerHeight);
  });
  image.addEventListener("error", () => { $("look").close(); toast("The image cannot be shown at the moment; its file may have been changed."); });
  $("look-image").replaceChildren(image);
  $("look").showModal();
}

$("look").addEventListener("click", () => $("look").close());
$("look").addEventListener("keydown", (event) => {
  if (!$("look").open) return; // a closed dialog keeps the focus until the next frame
  event.preventDefault();
  event.stopPropagation();
  $("look").close();
});
