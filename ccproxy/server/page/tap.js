// The tap: messages as they pass, the latest first, and no more of them than a person can read.

import { byId, element, write } from "./elements.js";
import { read } from "./feed.js";
import { number, plain } from "./text.js";

const MOST_LINES = 200;
const LONGEST_FRAMES = 600;

export class TapForm {
  constructor(token) {
    this.token = token;
    this.abort = null;
    this.lines = byId("tap-lines");
    this.state = byId("tap-state");
    this.count = byId("tap-count");
    this.waiting = [];
    byId("tap").addEventListener("submit", (event) => {
      event.preventDefault();
      this.start();
    });
    byId("tap-stop").addEventListener("click", () => this.stop("stopped"));
    this.offer();
  }

  // Say whether a tap can be put on, now that the token has changed.
  offer() {
    this.stop(this.token() ? "" : "A tap needs the token.");
    byId("tap-start").disabled = !this.token();
  }

  stop(why) {
    this.abort?.abort();
    this.abort = null;
    byId("tap-stop").disabled = true;
    write(this.state, why);
  }

  async start() {
    this.stop("");
    this.lines.replaceChildren();
    this.seen = 0;
    this.missed = 0;
    const abort = new AbortController();
    this.abort = abort;
    byId("tap-stop").disabled = false;
    write(this.state, "the tap is on");
    write(this.count, "");
    const query = new URLSearchParams({
      prefix: byId("tap-prefix").value.trim() || "*", from: byId("tap-from").value.trim(),
      to: byId("tap-to").value.trim(), body: byId("tap-body").checked ? "1" : "",
    });
    try {
      await read(`/v1/tap?${query}`, this.token(), "\n", (line) => this.take(line), abort.signal);
      if (this.abort === abort) this.stop("the server has ended the tap");
    } catch (error) {
      if (!abort.signal.aborted) this.stop(`no tap: ${plain(error.message)}`);
    }
  }

  take(line) {
    if (!line) return;
    const found = JSON.parse(line);
    if (found.missed) this.missed += found.missed;
    else this.seen += 1;
    if (!found.missed) this.waiting.push(found);
    if (this.waiting.length > MOST_LINES) this.waiting.shift();
    this.asked ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.asked = null;
    const made = this.waiting.map((one) => element("li", {}, element("bdi", {}, text(one))));
    this.waiting = [];
    this.lines.prepend(...made.reverse());
    while (this.lines.children.length > MOST_LINES) this.lines.lastElementChild.remove();
    const missed = this.missed ? `, ${number(this.missed)} passed without being shown` : "";
    write(this.count, `${number(this.seen)} messages${missed}`);
  }
}

function text(one) {
  const time = new Date(1000 * one.time).toISOString().slice(11, 23);
  const to = one.to.length ? one.to.join(", ") : one.fate;
  const from = [one.listener, one.peer].filter(Boolean).join(" ");
  const head = `${time} ${plain(one.type)} from ${plain(from)} to ${plain(to)} `
    + `${number(one.bytes)} bytes`;
  if (!one.frames) return head;
  return `${head} ${plain(one.frames.join(" | "), LONGEST_FRAMES)}${one.whole ? "" : " …"}`;
}
