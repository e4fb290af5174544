// Texts of strangers made harmless and readable, and numbers as people read them.

const LONGEST = 100;
const LONGEST_TITLE = 400;
// Control characters, those that are invisible or change the direction of writing, and halves of
// characters.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0\ufe00-\ufe0f]/gu;

function escaped(character) {
  return `\\u{${character.codePointAt(0).toString(16)}}`;
}

// A text with its unseen characters written out, cut to a length.
export function plain(text, most = LONGEST) {
  const whole = String(text);
  const shown = whole.slice(0, most).replace(UNSEEN, escaped);
  return whole.length > most ? `${shown}… (${whole.length} characters)` : shown;
}

export function title(text) {
  return plain(text, LONGEST_TITLE);
}

export function number(value) {
  return Math.round(value).toLocaleString("en-US");
}

// A rate; "" if it is not known yet.
export function perSecond(value) {
  if (value === null || value === undefined) return "";
  if (value > 0 && value < 10) return `${Number(value.toFixed(1)).toLocaleString("en-US")}/s`;
  return `${number(value)}/s`;
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function seconds(value) {
  if (value < 60) return `${value < 10 ? value.toFixed(1) : Math.round(value)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min`;
  if (value < 86400) return `${Math.floor(value / 3600)} h ${Math.floor((value % 3600) / 60)} min`;
  return `${Math.floor(value / 86400)} d ${Math.floor((value % 86400) / 3600)} h`;
}

// Counts by name as one text: `full 3, gone 1`.
export function counts(found) {
  return Object.entries(found).map(([name, count]) => `${plain(name)} ${number(count)}`).join(", ");
}

export function total(found) {
  return Object.values(found).reduce((sum, one) => sum + one, 0);
}
