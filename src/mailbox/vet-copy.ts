const HEADER = 100;
const TABLE_LEAF = 0x0d;
const UTF_8 = 1;
const MOST_ENTRIES = 100;
const LARGEST_PAGE = 16 * 1024;
/** Tables by which the planner is told what to expect: SQLite reads them whole when it opens a schema. */
const STATISTICS = 'sqlite_stat';

/**
 * Whether SQLite can read the schema of this copy of a database in a bounded time: all of it stands on the first page. A
 * schema is read from its first entry to its last, and a hostile tree of a few pages can have billions of them: one page may be the
 * child of many, and so may that one in turn. `false` says nothing against the file but that it is read elsewhere.
 */
export function hasPlainSchema(copy: Buffer): boolean {
  if (copy.length < 512) return false;
  const pageSize = copy.readUInt16BE(16);
  if (pageSize < 512 || pageSize > LARGEST_PAGE || copy.length < pageSize) return false;
  const encoding = copy.readUInt32BE(56);
  const usable = pageSize - copy.readUInt8(20);
  const entries = copy.readUInt16BE(HEADER + 3);
  const page = copy.subarray(0, pageSize);
  if (encoding > UTF_8 || copy.readUInt8(HEADER) !== TABLE_LEAF || entries > MOST_ENTRIES) return false;
  if (page.toString('latin1').toLowerCase().includes(STATISTICS)) return false;
  for (let entry = 0; entry < entries; entry++) {
    const at = page.readUInt16BE(HEADER + 8 + 2 * entry);
    const payload = readVarint(page, at);
    // More than this does not stand on the page, but on others behind it.
    if (payload === undefined || payload > usable - 35) return false;
  }
  return true;
}

/** @returns `undefined` for a number of more than two bytes, or one that stands beyond the page. */
function readVarint(page: Buffer, at: number): number | undefined {
  const [high, low] = [page[at], page[at + 1]];
  if (high === undefined || low === undefined) return undefined;
  if (high < 0x80) return high;
  return low < 0x80 ? ((high & 0x7f) << 7) | low : undefined;
}

const MOST_KNOWN = 16;

export interface KnownSchema {
  readonly form: Buffer;
  readonly page: Buffer;
  /** The index of the claims' primary key. */
  readonly claimsKey: string;
}

/**
 * Schemas that were checked before, told by their bytes: a group's sessions all have the same, and what the check
 * found follows from nothing else. Only for copies whose schema is plain.
 */
export function createKnownSchemas() {
  const known: KnownSchema[] = [];
  return {
    /** @returns what was kept for this copy's schema. */
    find(copy: Buffer): KnownSchema | undefined {
      const form = formOf(copy);
      return known.find((one) => one.form.equals(form) && one.page.equals(firstPage(copy, one.page.length)));
    },
    keep(copy: Buffer, claimsKey: string): void {
      const page = Buffer.from(firstPage(copy, copy.readUInt16BE(16) - HEADER));
      known.unshift({ form: formOf(copy), page, claimsKey });
      known.splice(MOST_KNOWN);
    },
  };
}

/** What stands in the header about how the rest is to be read: page size, reserved bytes, schema format, encoding. */
function formOf(copy: Buffer): Buffer {
  return Buffer.concat([copy.subarray(16, 24), copy.subarray(44, 48), copy.subarray(56, 60)]);
}

function firstPage(copy: Buffer, length: number): Buffer {
  return copy.subarray(HEADER, HEADER + length);
}
