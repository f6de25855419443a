// SPDX-License-Identifier: MIT
// Amounts are integers in the currency's minor unit, everywhere but on the screen. They are shown
// and read digit by digit: no floating point here either.
import { exponentOf } from "./session.js";

export function formatAmount(minor, currency) {
  const exponent = exponentOf(currency);
  const negative = minor < 0;
  const digits = String(negative ? -minor : minor).padStart(exponent + 1, "0");
  const whole = digits.slice(0, digits.length - exponent).replace(/\B(?=(\d{3})+$)/g, ",");
  const rest = exponent ? "." + digits.slice(-exponent) : "";
  return `${negative ? "−" : ""}${whole}${rest}`;
}

// "12.50" to 1250; null when it is no amount of that currency.
export function parseAmount(text, currency) {
  const exponent = exponentOf(currency);
  const found = /^(\d[\d,]*)(?:\.(\d+))?$/.exec(text.trim());
  if (!found || (found[2] || "").length > exponent) return null;
  const minor = Number(found[1].replaceAll(",", "") + (found[2] || "").padEnd(exponent, "0"));
  return Number.isSafeInteger(minor) && minor >= 1 ? minor : null;
}
