// The tables of the page: their columns, and their rows as texts.

import { Table, byId } from "./elements.js";
import { linkMark } from "./model.js";
import { bytes, counts, number, perSecond, seconds } from "./text.js";

const MOST_TYPES = 25;
const SIGNS = { bad: "✖ ", warn: "▲ ", good: "● ", "": "" };

const figure = (name) => ({ name, number: true });
const word = (name) => ({ name, number: false });

const TABLES = [
  {
    id: "listeners", label: "Listeners", nothing: "no listeners",
    columns: [word("section"), word("protocol"), word("address"), word("protection"),
      figure("peers"), figure("received"), figure("received/s"), figure("calls"),
      word("connections")],
    rows: (model) => model.update.status.listeners.map((one) => ({
      mark: one.listening ? "" : "bad",
      cells: [one.section, one.protocol, one.listening ? one.address : `✖ lost ${one.address}`,
        one.security, number(one.peers), number(one.received),
        perSecond(model.rate(`received ${one.section}`)), number(one.calls), counts(one.counts)],
    })),
  },
  {
    id: "links", label: "Links", nothing: "no links",
    columns: [word("section"), word("address"), word("state"), word("reason"),
      figure("reconnects"), figure("sent"), figure("sent/s")],
    rows: (model) => model.update.status.links.map((one) => ({
      mark: linkMark(one),
      cells: [one.section, one.address, SIGNS[linkMark(one)] + one.state, one.reason,
        number(one.reconnects), number(one.sink.sent), perSecond(model.rate(one.key))],
    })),
  },
  {
    id: "delivery", label: "Delivery with acknowledgements", nothing: "no link has acknowledgements",
    columns: [word("section"), word("delivery"), figure("unacknowledged"), figure("oldest"),
      figure("acknowledged"), figure("resent"), word("refused"), word("spool")],
    rows: (model) => model.update.status.links.filter((one) => one.delivery).map(delivery),
  },
  {
    id: "queues", label: "Queues", nothing: "nothing waits, and nothing was dropped",
    columns: [word("queue"), figure("waiting"), figure("bytes"), figure("fill"),
      figure("oldest"), figure("queued"), figure("sent"), word("dropped")],
    rows: (model) => queues(model),
  },
  {
    id: "drops", label: "Drops by reason", nothing: "no queue has dropped anything",
    columns: [word("section"), word("reason"), figure("messages"), figure("now")],
    rows: (model) => Object.entries(model.update.status.sinks.losses).flatMap(
      ([section, found]) => Object.entries(found).map(([reason, count]) => {
        const key = `drop ${section} ${reason}`;
        const mark = model.mark(key);
        return {
          mark,
          cells: [SIGNS[mark] + section, reason, number(count), perSecond(model.rate(key))],
        };
      })),
  },
  {
    id: "losses", label: "Lost lately", nothing: "nothing, or names are hidden",
    columns: [word("type or section"), word("reason"), figure("messages"), figure("last ago")],
    rows: ({ update }) => (update.losses?.items ?? []).map((one) => ({
      cells: [one.place, one.reason, number(one.messages), seconds(one.age)],
    })),
  },
  {
    id: "peers", label: "Slow peers", nothing: "no peer lets messages wait or drop",
    columns: [word("peer"), figure("waiting"), figure("bytes"), figure("sent/s"), word("dropped")],
    rows: (model) => slow(model).map((one) => ({
      mark: model.mark(`${one.key} dropped`),
      cells: [SIGNS[model.mark(`${one.key} dropped`)] + one.name, number(one.waiting),
        bytes(one.bytes), perSecond(model.rate(one.key)), counts(one.dropped)],
    })),
  },
  {
    id: "types", label: "Types by traffic", nothing: "no messages yet, or names are hidden",
    columns: [word("type"), word("to"), figure("messages/s"), figure("bytes/s"),
      figure("messages"), figure("bytes")],
    rows: (model) => byRate(model).map((one) => ({
      cells: [one.type, one.to.join(", "), perSecond(model.rate(`type ${one.type}`)),
        perSecond(model.rate(`bytes ${one.type}`)), number(one.messages), bytes(one.bytes)],
    })),
  },
  {
    id: "handlers", label: "Handlers", nothing: "no handlers",
    columns: [word("section"), word("handler"), figure("messages/s"), word("faults"), word("says")],
    rows: (model) => model.update.status.handlers.map((one) => {
      const mark = one.error ? "bad" : model.mark(`faults ${one.section}`);
      const rate = perSecond(model.rate(`section ${one.section}`));
      return {
        mark,
        cells: [SIGNS[mark] + one.section, one.handler, rate, counts(one.faults),
          one.error || said(one.facts)],
      };
    }),
  },
  {
    id: "fates", label: "Messages by fate", nothing: "no messages yet",
    columns: [word("fate"), figure("messages"), figure("bytes"), figure("now")],
    rows: (model) => Object.entries(model.update.status.ledger.fates).map(([fate, count]) => ({
      cells: [fate, number(count), bytes(model.update.status.ledger.fate_bytes[fate] ?? 0),
        perSecond(model.rate(`fate ${fate}`))],
    })),
  },
];

function delivery({ section, delivery: one }) {
  const mark = one.spool?.problem ? "bad" : "";
  return {
    mark,
    cells: [SIGNS[mark] + section, one.acknowledging ? one.mode : "sent plainly",
      number(one.unacknowledged), one.unacknowledged ? seconds(one.age) : "",
      number(one.acknowledged), number(one.resent), counts(one.refused) || "none",
      one.spool ? spool(one.spool) : "in memory"],
  };
}

function spool(one) {
  return one.problem || `${bytes(one.bytes)} of ${bytes(one.limit)}`;
}

// Queues of links first, then the worst of peers.
function queues(model) {
  const { links, sinks } = model.update.status;
  const own = links.map((one) => ({ ...one.sink, drops: `dropped ${one.section}` }));
  const rest = slow(model).map((one) => ({ ...one, drops: `${one.key} dropped` }));
  return [...own, ...rest].map((one) => {
    const mark = model.mark(one.drops);
    return {
      mark,
      cells: [SIGNS[mark] + one.name, number(one.waiting), bytes(one.bytes), fill(one), oldest(one),
        number(one.queued), number(one.sent), counts(one.dropped) || "none"],
    };
  });
}

function fill(sink) {
  return sink.waiting ? `${Math.round(100 * sink.fill)} %` : "";
}

function oldest(sink) {
  return sink.waiting ? seconds(sink.age) : "";
}

// The worst queues that are not those of links.
function slow({ update }) {
  const links = new Set(update.status.links.map((one) => one.sink.name));
  return update.status.sinks.worst.filter((one) => !links.has(one.name));
}

function byRate(model) {
  const rate = (one) => model.rate(`type ${one.type}`) ?? 0;
  const found = [...model.update.types.items];
  return found.sort((a, b) => rate(b) - rate(a) || b.messages - a.messages).slice(0, MOST_TYPES);
}

function said(facts) {
  return Object.entries(facts)
    .map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(", ");
}

export class Tables {
  constructor() {
    this.made = TABLES.map(({ id, label, columns, nothing, rows }) =>
      ({ table: new Table(byId(id), label, columns, nothing), rows }));
  }

  show(model) {
    for (const { table, rows } of this.made) table.show(rows(model));
  }
}
