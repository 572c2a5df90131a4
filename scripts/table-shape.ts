import Database from 'better-sqlite3';

/**
 * The tables that some SQL makes: one line for each column, foreign key and index. The order of columns and
 * the names of indexes are left out, for ALTER TABLE appends, and an index that UNIQUE makes has a name of
 * SQLite's own.
 */
export function shapeOf(sql: string): Set<string> {
  const db = new Database(':memory:');
  try {
    db.exec(sql);
    const tables = db
      .prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'")
      .pluck()
      .all();
    return new Set(
      tables.flatMap((table) => [...columns(db, table), ...keys(db, table), ...indexes(db, table)]),
    );
  } finally {
    db.close();
  }
}

type Column = { name: string; type: string; notnull: number; dflt_value: string | null; pk: number };

function columns(db: Database.Database, table: string): string[] {
  return db
    .prepare<[string], Column>('SELECT * FROM pragma_table_xinfo(?)')
    .all(table)
    .map(({ name, type, notnull, dflt_value, pk }) => {
      // The rowid is never null, whether or not the SQL says so.
      const rowid = pk > 0 && type.toLowerCase() === 'integer';
      const traits = [
        notnull && !rowid && 'not null',
        dflt_value && `default ${dflt_value}`,
        pk && `key ${pk}`,
      ];
      return [`${table}.${name}`, type.toLowerCase(), ...traits.filter(Boolean)].join(' ');
    });
}

type ForeignKey = { table: string; from: string; to: string | null; on_delete: string };

function keys(db: Database.Database, table: string): string[] {
  return db
    .prepare<[string], ForeignKey>('SELECT * FROM pragma_foreign_key_list(?)')
    .all(table)
    .map(
      (key) =>
        `${table}.${key.from} references ${key.table}.${key.to ?? 'its key'} on delete ${key.on_delete}`,
    );
}

type Index = { name: string; unique: number; partial: number };

function indexes(db: Database.Database, table: string): string[] {
  const columnsOf = db.prepare<[string], string | null>('SELECT name FROM pragma_index_info(?)').pluck();
  return db
    .prepare<[string], Index>("SELECT * FROM pragma_index_list(?) WHERE origin <> 'pk'")
    .all(table)
    .map(({ name, unique, partial }) => {
      const names = columnsOf.all(name).map((column) => column ?? '(expression)');
      return `${table} ${unique ? 'unique index' : 'index'} on ${names.join(', ')}${partial ? ' where …' : ''}`;
    });
}
