// What is shown, made of updates: rates, what drops now, and what is wrong. It draws nothing, and
// keeps no more than two updates and one time for each counter of the latest.

import { bytes, counts, number, perSecond, seconds, total } from "./text.js";

const RECENT = 60;
// Seconds for which a place that has dropped something counts as dropping now.
const LEAST_INTERVAL = 0.9;
// Seconds over which a rate is taken, at least.
const LOSSES = ["refused", "full", "gone", "failed", "unrouted", "malformed", "too-big"];

// The counters of an update by key; equal names are told apart by their order.
function counters({ status }) {
  const found = new Map();
  const add = (key, value) => {
    let free = key;
    for (let order = 2; found.has(free); order += 1) free = `${key}#${order}`;
    found.set(free, value);
    return free;
  };
  add("received", status.ledger.received);
  add("received-bytes", status.ledger.bytes);
  add("cpu", 100 * (status.process.times[0] + status.process.times[1]));
  for (const [fate, count] of Object.entries(status.ledger.fates)) add(`fate ${fate}`, count);
  for (const one of status.listeners) add(`received ${one.section}`, one.received);
  for (const one of status.links) {
    one.key = add(`link ${one.section} ${one.address}`, one.sink.sent);
  }
  for (const section of new Set(status.links.map((one) => one.section))) {
    const queued = status.links.filter((one) => one.section === section)
      .map((one) => one.sink.queued);
    add(`given ${section}`, queued.reduce((sum, one) => sum + one, 0));
  }
  for (const one of status.sinks.worst) {
    one.key = add(`sink ${one.name}`, one.sent);
    add(`${one.key} dropped`, total(one.dropped));
  }
  for (const [section, dropped] of Object.entries(status.sinks.losses)) {
    add(`dropped ${section}`, total(dropped));
    for (const [reason, count] of Object.entries(dropped)) add(`drop ${section} ${reason}`, count);
  }
  for (const one of status.handlers) add(`faults ${one.section}`, total(one.faults));
  return found;
}

function traffic(update) {
  const found = new Map();
  for (const one of update.types.items) {
    found.set(`type ${one.type}`, one.messages);
    found.set(`bytes ${one.type}`, one.bytes);
  }
  for (const [section, count] of Object.entries(update.sections)) {
    found.set(`section ${section}`, count);
  }
  for (const one of update.peers?.items ?? []) found.set(`peer ${one.sink.name}`, one.sink.sent);
  return found;
}

// Rates between two sets of counters; those that are new or have begun anew have none.
class Rates {
  constructor() {
    this.forget();
  }

  forget() {
    this.time = null;
    this.before = new Map();
    this.found = new Map();
  }

  take(time, now) {
    const passed = time - this.time;
    if (this.time !== null && passed >= 0 && passed < LEAST_INTERVAL) return;
    if (this.time !== null && passed > 0) {
      this.found = new Map();
      for (const [key, value] of now) {
        const old = this.before.get(key);
        if (old !== undefined && old <= value) this.found.set(key, (value - old) / passed);
      }
    }
    this.time = time;
    this.before = now;
  }
}

export class Model {
  constructor() {
    this.update = null;
    this.started = null;
    this.counted = new Rates();
    this.moved = new Rates();
    this.last = new Map();
    this.rises = new Map();
  }

  take(update) {
    const { status } = update;
    if (status.process.started !== this.started) {
      this.started = status.process.started;
      this.counted.forget();
      this.moved.forget();
      this.last = new Map();
      this.rises = new Map();
    }
    this.update = update;
    this.time = status.process.time;
    const now = counters(update);
    this.counted.take(this.time, now);
    this.moved.take(update.counted, traffic(update));
    this.note(now);
  }

  // Remember when counters of losses have risen, of those that there are now.
  note(now) {
    const rises = new Map();
    for (const [key, value] of now) {
      const last = this.last.size ? (this.last.get(key) ?? 0) : value;
      if (value > last) rises.set(key, this.time);
      else if (this.rises.has(key)) rises.set(key, this.rises.get(key));
    }
    for (const one of this.update.losses?.items ?? []) {
      const key = `dropped ${one.place}`;
      if (one.age < RECENT && now.has(key)) rises.set(key, this.time - one.age);
    }
    this.last = now;
    this.rises = rises;
  }

  rate(key) {
    return this.counted.found.get(key) ?? this.moved.found.get(key);
  }

  // "bad" if this counter has risen lately, "warn" if it ever has, else "".
  mark(key) {
    if (this.time - (this.rises.get(key) ?? -Infinity) < RECENT) return "bad";
    return this.last.get(key) ? "warn" : "";
  }

  get summary() {
    const { status } = this.update;
    const { ledger, sinks, memory, descriptors, process } = status;
    const lost = LOSSES.map((fate) => ledger.fates[fate] ?? 0).reduce((a, b) => a + b, 0);
    return [
      ["received", number(ledger.received), perSecond(this.rate("received"))],
      ["not delivered", number(lost), counts(pick(ledger.fates, LOSSES))],
      ["waiting", number(sinks.waiting), waits(sinks)],
      ["dropped", number(total(sinks.dropped)), counts(sinks.dropped)],
      ["peers", number(status.peers), `${number(status.flows)} types`],
      ["memory", bytes(memory.used), `of ${bytes(memory.limit)}, ${memory.state}`],
      ["processor", `${Math.round(this.rate("cpu") ?? 0)} %`, `${descriptors.used} open files`],
      ["running for", seconds(process.time - process.started), `version ${process.version}`],
    ];
  }

  // What is wrong now: {mark, text} each, the worst first.
  get troubles() {
    const { status } = this.update;
    const found = [];
    const add = (mark, text) => found.push({ mark, text });
    if (status.draining) add("warn", "the server drains: no more messages are taken");
    for (const one of status.listeners) {
      const lost = !one.listening && !status.draining;
      if (lost) add("bad", `listener ${one.section} has lost its address`);
      if (one.security === "exposed") add("warn", `listener ${one.section} is open to everybody`);
    }
    for (const { section, delivery } of status.links) {
      const problem = delivery?.spool?.problem;
      if (problem) add("bad", `link ${section} cannot write its spool: ${problem}`);
    }
    for (const one of status.links) {
      if (one.state === "up") continue;
      const where = this.update.names ? ` to ${one.address}` : "";
      const why = one.reason ? `: ${one.reason}` : "";
      add(linkMark(one), `link ${one.section}${where} is ${one.state}${why}`);
    }
    for (const [section, dropped] of Object.entries(status.sinks.losses)) {
      const mark = this.mark(`dropped ${section}`);
      const word = mark === "bad" ? "drops" : "has dropped";
      if (mark) add(mark, `${section} ${word}: ${counts(dropped)}`);
    }
    for (const one of status.handlers) {
      const mark = one.error ? "bad" : this.mark(`faults ${one.section}`);
      const what = [counts(one.faults), one.error].filter(Boolean).join(", ");
      if (mark) add(mark, `handler ${one.section}: ${what}`);
    }
    for (const fate of LOSSES) {
      const mark = this.mark(`fate ${fate}`);
      if (mark) add(mark, `${number(status.ledger.fates[fate])} messages ended as ${fate}`);
    }
    if (status.memory.state !== "free") add("bad", `memory of queues is ${status.memory.state}`);
    return found.sort((a, b) => (a.mark === "bad" ? 0 : 1) - (b.mark === "bad" ? 0 : 1));
  }
}

function waits(sinks) {
  const oldest = `, oldest ${seconds(sinks.age)}, fill ${Math.round(100 * sinks.fill)} %`;
  return bytes(sinks.bytes) + (sinks.waiting ? oldest : "");
}

export function linkMark(link) {
  if (link.state === "up") return "good";
  return link.state === "paused" ? "warn" : "bad";
}

function pick(found, names) {
  return Object.fromEntries(names.filter((one) => found[one]).map((one) => [one, found[one]]));
}
