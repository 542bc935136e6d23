const parts = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
const maxExponentLength = 100;

/**
 * Whether two texts are JSON numbers with the same exact value: 1e2 equals 100, 1.0 equals 1 and -0 equals 0, but
 * 9007199254740993 does not equal 9007199254740992. A text that is not a number equals nothing.
 */
export function sameNumber(left: string, right: string): boolean {
  const normal = normalForm(left);
  return normal !== null && normal === normalForm(right);
}

/** The same text for all numbers of one value: digits without zeros at either end, and the power of ten. */
function normalForm(text: string): string | null {
  const match = parts.exec(text);
  if (!match) return null;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  const digits = (whole + fraction).replace(/^0+/, '');
  // Not by /0+$/: its time grows with the square of the length of a run of zeros.
  let end = digits.length;
  while (digits[end - 1] === '0') end -= 1;
  if (end === 0) return '0';
  // The time of arithmetic with thousands of digits grows faster than their number. Such an exponent equals only itself.
  if (exponent.length > maxExponentLength) return text;
  return `${sign}${digits.slice(0, end)}e${BigInt(exponent) + BigInt(digits.length - end - fraction.length)}`;
}
