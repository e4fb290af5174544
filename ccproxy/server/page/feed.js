// Streams of the server, read by fetch, so that the token travels in a header.

const LONGEST_PART = 16 * 1024 * 1024;
// Milliseconds without an update after which the connection is given up.
const LONGEST_SILENCE = 15_000;

export class Refused extends Error {
  constructor(code, message, after) {
    super(message);
    this.code = code;
    this.after = after;
  }
}

// Read an answer that goes on, and give each part that ends with `mark` to `take`.
export async function read(path, token, mark, take, signal) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(path, { headers, signal, cache: "no-store", credentials: "omit" });
  if (!answer.ok) {
    const found = await answer.json().catch(() => ({}));
    const after = Number(answer.headers.get("Retry-After")) || 0;
    throw new Refused(answer.status, String(found.error || answer.statusText), after);
  }
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + decoder.decode(value, { stream: true })).split(mark);
    rest = parts.pop();
    if (rest.length > LONGEST_PART) throw new Error("an update is too long");
    parts.forEach(take);
  }
}

// Updates of the status for as long as the page is seen; it connects again by itself.
export class Feed {
  constructor(token, update, state) {
    this.token = token;
    this.update = update;
    this.state = state;
    this.missed = 0;
    this.updates = 0;
    this.abort = null;
    this.timer = null;
    this.pause = 1;
    this.heard = 0;
    document.addEventListener("visibilitychange", () => this.seen());
    setInterval(() => this.look(), LONGEST_SILENCE / 3);
  }

  // Begin anew if the server has been silent: the far side of a dead line says nothing.
  look() {
    if (this.abort && !this.timer && performance.now() - this.heard > LONGEST_SILENCE) {
      this.stop();
      this.start();
    }
  }

  seen() {
    if (document.hidden) {
      this.stop();
      this.state("paused", "paused while the page is hidden");
    } else if (!this.abort) this.start();
  }

  use(token) {
    this.token = token;
    this.stop();
    this.start();
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
    this.abort?.abort();
    this.abort = null;
  }

  async start() {
    clearTimeout(this.timer);
    this.timer = null;
    this.heard = performance.now();
    const abort = new AbortController();
    this.abort = abort;
    try {
      await read("/updates", this.token, "\n\n", (text) => this.event(text), abort.signal);
      this.again(abort, "the server has closed the connection", 1);
    } catch (error) {
      if (abort.signal.aborted) return;
      if (error instanceof Refused && error.code === 401) {
        this.abort = null;
        this.state("refused", this.token ? "the token is wrong" : "a token is needed");
        return;
      }
      this.pause = Math.min(2 * this.pause, 10);
      if (error instanceof Refused) this.again(abort, error.message, error.after || 5);
      else this.again(abort, "no connection", this.pause);
    }
  }

  again(abort, reason, seconds) {
    if (this.abort !== abort) return;
    this.state("lost", `${reason}; next attempt in ${seconds} s`);
    this.timer = setTimeout(() => this.start(), 1000 * seconds);
  }

  event(text) {
    const lines = text.split("\n");
    const data = lines.find((one) => one.startsWith("data: "));
    if (!data) return;
    if (lines.includes("event: missed")) {
      this.missed += Number(data.slice(6));
      return;
    }
    this.pause = 1;
    this.heard = performance.now();
    this.updates += 1;
    this.update(data.slice(6));
  }
}
