/**
 * A `Content-Disposition` that saves under the name whatever it holds: plain ASCII for old readers, the name
 * itself as RFC 5987 has it.
 */
export function attachment(name: string): string {
  // A lone half of a surrogate pair cannot be encoded.
  const whole = name.toWellFormed();
  const plain = whole.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  return `attachment; filename="${plain}"; filename*=UTF-8''${encodeExtended(whole)}`;
}

function encodeExtended(value: string): string {
  return encodeURIComponent(value).replace(
    /['()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
