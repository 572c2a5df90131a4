/*
 * What a client says first, where it is no TLS: HTTP/1 or something else. Read as widely as servers do (RFC 9112, 2.2 and 3:
 * empty lines before it, and any white space within).
 */

/** Whether these bytes may still become a request's first line: a method, and whatever follows it on that line. */
export function couldBeRequest(said: Buffer): boolean {
  return /^[\r\n]*[!#$%&'*+.^_`|~0-9A-Za-z-]{0,40}(?:[ \t\v\f\r][\t\v\f\r\x20-\xff]*)?$/.test(
    said.toString('latin1'),
  );
}

/** Whether they begin with a whole one. */
export function isRequest(said: Buffer): boolean {
  return /^[\r\n]*[^\s]+[ \t\v\f\r][^\n]*HTTP\/\d[^\n]*\n/i.test(said.toString('latin1'));
}
