"""The page in a real browser: what a person does, and what is then in the store."""

import pytest


def test_keys_label_skip_accept_and_undo_even_after_a_reload(served, visit, hand):
    server = served()
    page = visit(server.url)
    assert "token" not in page.url
    h = hand(page)
    h.press("2")  # dog
    h.press("s")
    h.press("u")
    h.press("Enter")  # row 3 of 3 classes: the guess is cat
    h.settled(lambda: len(server.answers) == 4)
    assert server.kinds == [
        ("label", "00000.png", "dog"),
        ("skip", "00001.png", ""),
        ("unsure", "00002.png", ""),
        ("label", "00003.png", "cat"),
    ]
    assert [e.shown for e in server.session.store.events() if e.kind == "label"] == [True, True]
    assert all(
        e.seconds is not None and 0 <= e.seconds < 30 for e in server.session.store.events() if e.kind == "label"
    )
    h.press("Backspace")
    h.settled(lambda: len(server.answers) == 3)
    page.reload()
    page.wait_for_selector("#frame[data-painted]")
    h.press("Control+z")  # only the server knows what came before
    h.settled(lambda: len(server.answers) == 2)
    assert page.inner_text(".file") == "00002.png"
    h.press("3")
    h.settled(lambda: "00002.png" in server.answers)
    assert server.answers["00002.png"] == ("ann", "label", "bird")
    page.wait_for_function("() => document.querySelector('#count').innerText === '2 of 20 labelled'")


def test_no_guess_is_shown_of_an_item_that_checks_the_model_and_a_hidden_guess_stays_hidden(served, visit, hand):
    server = served()
    page = visit(server.url)
    h = hand(page)
    assert page.inner_text("#guess b") == "cat"
    page.keyboard.press("h")
    assert page.query_selector("#guess b") is None
    page.keyboard.press("Enter")  # of what is hidden nothing is accepted
    page.reload()
    page.wait_for_selector("#frame[data-painted]")
    assert page.query_selector("#guess b") is None
    for _ in range(4):
        h.press("1")
    page.keyboard.press("h")
    assert page.inner_text(".file") == "00004.png"
    assert page.query_selector("#guess b") is None
    assert "check the model" in page.inner_text("#caption")
    h.press("1")
    h.settled(lambda: len(server.answers) == 5)
    assert not any(event.shown for event in server.session.store.events())


def test_a_key_held_down_or_pressed_with_another_answers_nothing_more(served, visit, hand):
    server = served()
    page = visit(server.url)
    h = hand(page)
    first = h.item()
    page.keyboard.down("1")
    for _ in range(5):
        page.keyboard.down("1")  # what a keyboard repeats
    page.keyboard.up("1")
    page.keyboard.press("Alt+2")
    page.wait_for_function("old => document.querySelector('#frame').dataset.painted !== old", arg=first)
    h.press("2")
    h.settled(lambda: len(server.answers) == 2)
    assert [label for _, _, label in server.answers.values()] == ["cat", "dog"]


def test_without_classes_it_asks_for_them_and_names_are_never_taken_for_html(served, visit, hand):
    server = served(classes=(), count=4)
    page = visit(server.url, ready="#start:not([hidden])")
    bad = "<img src=x onerror='document.title=\"broken into\"'>"
    page.fill("#start-names", f"{bad}\n\n 7 \nplain")
    page.click("#start button")
    page.wait_for_selector("#choices button:nth-child(3)")
    assert server.session.store.state().classes == (bad, "7", "plain")
    assert page.locator("#choices span").all_inner_texts() == [bad, "7", "plain"]
    assert page.locator("#choices kbd").all_inner_texts() == ["1", "7", "2"]  # a digit has its own key
    h = hand(page)
    page.wait_for_selector("#stage:not([hidden])")
    h.press("1")
    h.settled(lambda: len(server.answers) == 1)
    page.keyboard.press("g")
    page.wait_for_selector("#grid .tabs button")
    page.keyboard.press("g")
    page.keyboard.press("?")
    page.wait_for_selector("#help[open]")
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    page.wait_for_selector("#classes[open]")
    assert page.locator("img[src=x]").count() == 0
    assert "broken" not in page.title()


def test_names_in_one_line_are_as_many_classes_as_on_the_command_line(served, visit, hand):
    server = served(classes=(), real=True)
    page = visit(server.url, ready="#start:not([hidden])")
    page.fill("#start-names", "dog, elephant,guitar\n\n dog\nold shoe ")
    page.click("#start button")
    page.wait_for_selector("#choices button:nth-child(4)")
    assert server.session.classes == ("dog", "elephant", "guitar", "old shoe")
    page.keyboard.press("e")
    page.fill("#class-name", "owl, emu")
    page.keyboard.press("Enter")
    page.wait_for_selector("#class-rows li:nth-child(6)")
    assert server.session.classes[4:] == ("owl", "emu")
    assert page.input_value("#class-name") == ""


def test_a_file_that_was_changed_after_it_was_shown_is_looked_at_anew(served, visit, hand):
    from PIL import Image

    server = served(real=True)
    page = visit(server.url)
    h = hand(page)
    name = page.inner_text(".file")
    before = page.get_attribute("#frame img", "src")
    Image.new("RGB", (28, 28), "red").save(server.folder / "images" / name)
    page.keyboard.press("1")
    page.wait_for_selector("#toast:not([hidden])")
    page.wait_for_function("name => document.querySelector('.file').innerText === name", arg=name)
    assert f"{name} was changed after its picture was shown" in page.inner_text("#toast")
    assert not server.answers
    page.wait_for_selector("#frame img")
    assert page.get_attribute("#frame img", "src") != before
    pixel = """image => { const c = document.createElement("canvas").getContext("2d"); c.drawImage(image, 0, 0);
        return [...c.getImageData(3, 3, 1, 1).data]; }"""
    assert page.eval_on_selector("#frame img", pixel) == [255, 0, 0, 255]
    h.press("2")
    h.settled(lambda: server.answers == {name: ("ann", "label", "dog")})


def test_a_file_that_is_changed_before_it_is_shown_is_shown_as_it_is(served, visit, hand):
    from PIL import Image

    server = served(real=True)
    make, asked = server.thumbs.make, []
    server.thumbs.make = lambda *arguments: asked.append(arguments) or 1 / 0  # the picture does not come yet
    page = visit(server.url, ready="#choices button")
    h = hand(page)
    h.settled(lambda: asked)
    for path in (server.folder / "images").iterdir():
        Image.new("RGB", (30, 30), "blue").save(path)
    server.thumbs.make = make
    page.wait_for_selector("#frame img")
    assert page.eval_on_selector("#frame img", "i => i.naturalWidth") == 30
    h.press("1")
    h.settled(lambda: len(server.answers) == 1)


def test_classes_are_added_renamed_given_keys_and_removed_after_a_question(served, visit, hand):
    server = served()
    page = visit(server.url)
    h = hand(page)
    h.press("1")
    h.press("2")
    page.keyboard.press("e")
    page.fill("#class-name", "fish")
    page.keyboard.press("Enter")
    page.wait_for_selector("#class-rows li:nth-child(4)")
    page.fill("#class-rows li:nth-child(1) input", "lion")
    page.keyboard.press("Enter")
    h.settled(lambda: server.session.store.state().classes == ("lion", "dog", "bird", "fish"))
    assert server.answers["00000.png"] == ("ann", "label", "lion")
    page.click("[aria-label='Remove dog']")
    assert server.session.store.state().classes == ("lion", "dog", "bird", "fish")
    assert server.answers["00001.png"] == ("ann", "label", "dog")
    page.click("#class-rows .confirm .wrong")
    h.settled(lambda: server.session.store.state().classes == ("lion", "bird", "fish"))
    page.wait_for_selector("#class-rows li:nth-child(3):last-child")
    page.click("#class-rows li:nth-child(3) .key")
    page.keyboard.press("s")
    assert "S is for skip" in page.inner_text("#class-wrong")
    page.click("#class-rows li:nth-child(3) .key")
    page.keyboard.press("f")
    page.click("#classes .main")
    page.wait_for_selector("#classes:not([open])", state="attached")
    assert page.locator("#choices kbd").all_inner_texts() == ["1", "3", "F"]  # the others keep theirs
    assert set(server.answers) == {"00000.png"}  # what was called a dog is open again
    assert page.inner_text(".file") == "00002.png"
    h.press("f")
    h.settled(lambda: len(server.answers) == 2)
    assert server.answers["00002.png"] == ("ann", "label", "fish")
    page.keyboard.press("e")
    page.fill("#class-name", "bird")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('#class-wrong').innerText.includes('already')")


def test_the_end_of_the_pool_is_said_and_an_undo_leads_back(served, visit, hand):
    server = served(count=3)
    page = visit(server.url)
    h = hand(page)
    h.press("1")
    h.press("1")
    page.keyboard.press("1")
    page.wait_for_function("() => document.querySelector('#done-title').innerText === 'Everything is answered'")
    page.keyboard.press("1")  # nothing is there to be labelled
    page.keyboard.press("z")
    page.wait_for_selector("#stage:not([hidden]) .file")
    page.wait_for_function("() => document.querySelector('#frame img')")
    h.settled(lambda: len(server.answers) == 2)
    assert page.inner_text(".file") == "00002.png"


def test_with_the_real_session_what_was_skipped_comes_back_when_nothing_else_is_left(served, visit, hand):
    server = served(count=3, real=True)
    page = visit(server.url)
    h = hand(page)
    skipped = page.inner_text(".file")
    h.press("s")
    h.press("1")
    h.press("2")
    assert page.inner_text(".file") == skipped
    page.keyboard.press("3")
    h.settled(lambda: page.inner_text("#done-title") == "Everything is answered")
    assert server.answers[skipped] == ("ann", "label", "bird")
    assert sorted(label for _, _, label in server.answers.values()) == ["bird", "cat", "dog"]
    page.keyboard.press("z")
    page.wait_for_selector("#stage:not([hidden])")
    h.settled(lambda: len(server.answers) == 2 or server.answers[skipped][1] == "skip")
    assert page.inner_text(".file") == skipped


def test_a_file_that_is_no_image_is_passed_over(served, visit, hand):
    server = served()
    for name in ("00001.png", "00002.png"):
        (server.folder / "images" / name).write_bytes(b"no image")
    page = visit(server.url)
    h = hand(page)
    h.press("1")
    assert page.inner_text(".file") == "00003.png"
    h.press("2")
    h.settled(lambda: len(server.answers) == 2)
    assert set(server.answers) == {"00000.png", "00003.png"}
    items = server.session.items
    assert server.session.unreadable == {items.id(n): "no image that Pillow knows" for n in ("00001.png", "00002.png")}


def test_before_the_first_ranking_it_says_what_it_waits_for_and_goes_on_by_itself(served, visit, hand):
    server = served()
    server.session.extra = {"version": 1, "ranking": {"state": "running", "done": 3, "of": 12}}
    asked, server.session.questions = server.session.questions, lambda annotator, n, in_page=(): []
    page = visit(server.url, ready="#done:not([hidden])")
    hand(page).settled(lambda: page.inner_text("#done-title") == "Looking at your images")
    assert page.eval_on_selector("progress", "bar => bar.value / bar.max") == 0.25
    server.session.questions = asked
    page.wait_for_selector("#frame[data-painted]")
    assert page.is_visible("#stage")


def test_what_is_known_of_the_model_is_told_with_its_interval_curve_and_progress(served, visit):
    server = served()
    server.session.extra = {
        "version": 2,
        "audit": {"n": 60, "right": 56, "accuracy": 0.933, "low": 0.841, "high": 0.974},
        "sentence": "About 93 of 100 are right.",
        "training": {"state": "training", "step": 30, "steps": 120, "round": 2},
        "curve": [{"labels": n, "accuracy": a, "low": a - 0.1, "high": a + 0.05} for n, a in ((20, 0.7), (40, 0.9))],
    }
    page = visit(server.url)
    told = page.inner_text("#panel")
    assert "93 %" in told
    assert "between 84 % and 97 %, by 60 checked items" in told
    assert "About 93 of 100 are right." in told
    assert page.get_attribute(".curve", "aria-label") == "Accuracy by labels: 70 % with 20, 90 % with 40"
    assert page.locator(".curve .dot").count() == 2
    assert page.eval_on_selector("progress", "bar => bar.value / bar.max") == 0.25
    server.session.extra["audit"] = {"n": 13, "right": 13, "accuracy": 1.0, "low": 0.772, "high": 1.0}
    told = visit(server.url).inner_text("#panel")
    assert "77 – 100 %" in told  # thirteen right ones are no 100 %
    assert "by 13 checked items, 13 of them right" in told


def test_on_a_phone_everything_fits_and_a_finger_labels(served, visit, hand):
    classes = [f"class {i}" for i in range(10)]
    server = served(classes=classes)
    page = visit(server.url, viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    boxes = [page.locator(f"#choices button >> nth={i}").bounding_box() for i in range(10)]
    assert all(box["height"] >= 44 and box["x"] >= 0 and box["x"] + box["width"] <= 360 for box in boxes)
    assert page.locator("#skip").bounding_box()["y"] + 44 <= 640  # without scrolling
    assert page.locator("#frame").bounding_box()["height"] > 120
    h = hand(page)
    page.tap("#choices button >> nth=7")
    h.settled(lambda: len(server.answers) == 1)
    assert server.answers["00000.png"] == ("ann", "label", "class 7")


def test_who_labels_is_asked_once_where_several_may(served, visit, hand):
    server = served(ask=True)
    page = visit(server.url, ready="#who[open]")
    page.fill("#who-name", "Zoë 2")
    page.keyboard.press("Enter")
    page.wait_for_selector("#frame[data-painted]")
    h = hand(page)
    h.press("1")
    h.settled(lambda: len(server.answers) == 1)
    assert server.answers["00000.png"] == ("Zoë 2", "label", "cat")
    page.reload()
    page.wait_for_selector("#frame[data-painted]")
    assert page.query_selector("#who[open]") is None
    assert page.inner_text("#to-name") == "Zoë 2"


def test_large_photos_are_scaled_and_small_ones_stay_square_pixels(served, visit):
    small, large = served(), served(size=(1200, 900))
    assert visit(small.url).eval_on_selector(
        "#frame img", "i => [i.naturalWidth, getComputedStyle(i).imageRendering]"
    ) == [28, "pixelated"]
    assert visit(large.url).eval_on_selector(
        "#frame img", "i => [i.naturalWidth, getComputedStyle(i).imageRendering]"
    ) == [896, "auto"]


def test_looking_closely_enlarges_what_is_small_and_says_how_to_close(served, visit, hand):
    server = served()
    page = visit(server.url)
    page.keyboard.press("Space")
    h = hand(page)
    h.settled(lambda: page.eval_on_selector("#look[open] img", "i => i.complete && i.naturalWidth") == 28)
    shown = page.eval_on_selector(
        "#look img",
        "i => { const b = i.getBoundingClientRect(), s = getComputedStyle(i); "
        "return [s.objectFit, b.width, b.height, s.imageRendering]; }",
    )
    assert shown == ["contain", 1280, 800, "pixelated"]
    assert page.inner_text("#look .leave") == "Back any key, or a click"
    box = page.locator("#look .leave").bounding_box()
    assert box["y"] + box["height"] <= 800
    page.click("#look .leave")
    page.wait_for_selector("#look:not([open])", state="attached")
    assert not server.answers


@pytest.mark.parametrize("width", [390, 360])
def test_no_word_of_a_class_is_broken_on_a_phone(served, visit, width):
    names = ["elephant", "wristwatch", "Washington", "grasshopper", "electric guitar", "pomegranate", "cat", "dog"]
    names += ["brontosaurus", "Siberian husky", "windsor chair", "cellphone"]
    server = served(classes=names)
    page = visit(server.url, viewport={"width": width, "height": 780}, has_touch=True, is_mobile=True)
    broken = page.evaluate(
        """() => [...document.querySelectorAll("#choices span")].flatMap((span) => {
        const text = span.firstChild, found = [];
        for (const word of text.data.matchAll(/\\S+/g)) {
            const range = document.createRange();
            range.setStart(text, word.index);
            range.setEnd(text, word.index + word[0].length);
            if (new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1) found.push(word[0]);
        }
        return found;
    })""".replace("\\\\", "\\")
    )
    assert broken == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_labels_of_each_class_are_counted_on_the_page(served, visit, hand):
    server = served(count=30, real=True)
    page = visit(server.url)
    h = hand(page)
    for key in "1123s1":
        h.press(key)
    h.settled(lambda: len(server.answers) == 6)

    def told():  # in one look: the panel is drawn anew between two
        read = "all => all.map(dt => [dt.innerText, dt.nextSibling.querySelector('b').innerText])"
        return dict(page.eval_on_selector_all(".classes dt", read))

    h.settled(lambda: told() == {"cat": "3", "dog": "1", "bird": "1"})
    server.session.answer(
        "bob", event="0" * 32, kind="label", item=server.session.items.id(_of(server, "dog")), label="cat"
    )
    h.settled(lambda: told() == {"cat": "3", "dog": "0", "bird": "1", "divided": "1"})


def _of(server, label):
    return next(name for name, (_, _, said) in server.answers.items() if said == label)


def test_space_shows_a_photo_as_large_as_it_is(served, visit, hand):
    server = served(size=(1200, 900))
    page = visit(server.url)
    page.keyboard.press("Space")
    hand(page).settled(lambda: page.eval_on_selector("#look[open] img", "i => i.naturalWidth") == 1200)
    page.keyboard.press("1")  # closes, and labels nothing
    page.wait_for_selector("#look:not([open])", state="attached")
    page.keyboard.press("2")
    hand(page).settled(lambda: len(server.answers) == 1)
    assert server.answers["00000.png"][2] == "dog"
