// Requests to the server that this page came from.

// The server answered, and not with yes. `told` is what it said, `retry` after how many ms to ask again.
export class Refused extends Error {
  constructor(status, message, told = {}, retry = 0) { super(message); Object.assign(this, { status, told, retry }); }
}

export const me = { name: "", place: "", stamp: "" };

export async function ask(path, body, patience = 20000) {
  const headers = { "X-Leaven": "1" };
  if (me.name) headers["X-Annotator"] = encodeURIComponent(me.name);
  const options = { headers, cache: "no-store", signal: AbortSignal.timeout(patience) };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
  }
  const answer = await fetch(`/api/${path}`, options);
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    const retry = 1000 * (Number(answer.headers.get("Retry-After")) || 0);
    throw new Refused(answer.status, told.error ?? `The server answered ${answer.status}.`, told, retry);
  }
  return answer.json();
}

// Where the picture of a question is had: of the version of its file that the question is about.
export const picture = ({ item, version = "" }, kind = "view") => `/image/${kind}/${item}?v=${version}&${me.stamp}`;
