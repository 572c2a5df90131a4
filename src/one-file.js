import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getHeapCodeStatistics } from 'node:v8';
import { Script } from 'node:vm';

/*
 * Programs that `scripts/make-programs.ts` has put together (docs/decisions/one-file.md). Node's own cache keeps what is compiled
 * when a module is loaded; here all is kept that a start has compiled, functions as well.
 */

const folder = fileURLToPath(new URL('..', import.meta.url));
const sources = new URL('.', import.meta.url).href;
const programs = fileURLToPath(new URL('../node_modules/.cache/berth-programs/', import.meta.url));
/** So much more compiled code than was kept is worth keeping, in bytes. */
const WORTH_KEEPING = 100_000;

/**
 * Runs what was made of the module at an address, as CommonJS, and keeps what was compiled until `keepMs` later, or until the process
 * ended well if that comes first. @returns false if there is none, or if a source has changed since.
 */
export function runOneFile(address, keepMs) {
  const file = programs + address.slice(sources.length).replace(/\.ts$/, '.cjs');
  const made = address.startsWith(sources) && readStamp(file);
  if (!made || made.folder !== folder || !made.sources.every(isUnchanged)) return false;
  const keptIn = `${file}.${made.id}.${use()}.code`;
  const cachedData = read(keptIn);
  const code = `(function (exports, require, module, __filename, __dirname) { ${readFileSync(file, 'latin1')}\n})`;
  const script = new Script(code, { filename: file, cachedData });
  const known = script.cachedDataRejected === false ? bytecode() : 0;
  const keep = () => {
    process.off('exit', keepAtEnd);
    if (bytecode() - known > WORTH_KEEPING) write(keptIn, script.createCachedData());
  };
  // Not of what was typed wrong: each word would get a file.
  const keepAtEnd = (status) => status === 0 && keep();
  if (known === 0) process.on('exit', keepAtEnd);
  setTimeout(keep, keepMs).unref();
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file));
  return true;
}

/** A short command should not have to read what only a host needs. */
const use = () => /^[a-z-]+$/.exec(process.argv[2] ?? '')?.[0] ?? 'all';

const bytecode = () => getHeapCodeStatistics().bytecode_and_metadata_size;

function readStamp(file) {
  const text = read(`${file}.json`);
  return text && JSON.parse(text.toString());
}

function isUnchanged([path, modified, size]) {
  const now = statSync(folder + path, { throwIfNoEntry: false });
  return now?.mtimeMs === modified && now.size === size;
}

function read(path) {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** Where it cannot be written, the next start compiles again. */
function write(path, data) {
  try {
    writeFileSync(`${path}.${process.pid}`, data);
    renameSync(`${path}.${process.pid}`, path);
  } catch {}
}
