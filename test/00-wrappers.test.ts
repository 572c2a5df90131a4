import { globSync, readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { engineCalls } from '../chaos/failpoints.ts';

/*
 * Every commit of the host passes one wrapper, and every call to the engine another: there failures are classed, and there
 * `npm run chaos` kills the host.
 */

const sources = globSync('src/**/*.ts').map((file) => ({ file, text: readFileSync(file, 'utf8') }));

/** Of the host: a command of the operator's is a process of its own, which writes where no host runs. */
function filesWith(pattern: RegExp): string[] {
  return sources
    .filter(({ file, text }) => !file.startsWith('src/operator/') && pattern.test(text))
    .map(({ file }) => file)
    .sort();
}

describe('commits', () => {
  test('the ledger is opened for writing by the one thread that commits', () => {
    expect(filesWith(/\bopenLedgerForWriting\(/)).toEqual([
      'src/ledger/open-database.ts',
      'src/writer/writer-thread.ts',
    ]);
  });

  test('what else is opened is only read, or the lock, or a copy that is not yet the ledger of a host', () => {
    expect(filesWith(/\bnew Database\((?![^)]*readonly: true)/)).toEqual([
      'src/ledger/data-lock.ts',
      'src/ledger/open-database.ts',
      'src/mailbox/open-outbound.ts',
      'src/recovery/restore.ts',
    ]);
  });

  test('transactions begin and end in the wrapper alone', () => {
    expect(filesWith(/['"`](BEGIN IMMEDIATE|COMMIT)\b/)).toEqual(['src/writer/commit-together.ts']);
    expect(filesWith(/\.transaction\(/)).toEqual(['src/mailbox/inbound-file.ts', 'src/recovery/restore.ts']);
    expect(filesWith(/\bfile\.write\(/)).toEqual(['src/writer/open-mailbox.ts']);
  });
});

describe('calls to the engine', () => {
  const engines = sources.filter(({ text }) => text.includes('DockerConnection'));

  test('dockerode is used within `call` alone', () => {
    const outside = engines.flatMap(({ file, text }) => usesOutsideCall(file, text));
    expect(outside).toEqual([]);
  });

  test('the check sees a use outside', () => {
    const bad = 'const version = await connection.docker.version();';
    const good =
      "await connection.call('x', () => connection.docker.version()); call('y', () => docker.df());";
    expect(usesOutsideCall('bad.ts', bad)).toEqual(['bad.ts:1']);
    expect(usesOutsideCall('good.ts', good)).toEqual([]);
  });

  test('each kind of call is known to the chaos run', () => {
    const spoken = engines.flatMap(({ text }) => [
      ...[...text.matchAll(/\bcall\(\s*(['`])(.*?)\1/g)].map((match) => match[2] ?? ''),
      ...[...text.matchAll(/const what = `(.*?)`/g)].map((match) => match[1] ?? ''),
    ]);
    const kinds = new Set(spoken.map((what) => what.replace(/ ?\$\{.*$/, '')));
    expect([...kinds].sort()).toEqual(Object.keys(engineCalls).sort());
  });
});

/** Places where something is asked of `docker` outside of a function that is handed to `call`; handles ask nothing. */
function usesOutsideCall(file: string, text: string): string[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  visit(source);
  return found;

  function visit(node: ts.Node): void {
    if (isRequest(node) && !isWithinCall(node)) {
      found.push(`${file}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}`);
    }
    ts.forEachChild(node, visit);
  }
}

/** `docker.version()`, `docker.getContainer(name).start()`, `container.start()`; getting a handle asks nothing. */
function isRequest(node: ts.Node): boolean {
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return false;
  const { expression: receiver, name } = node.expression;
  const isHandle = /^get(Container|Image)$/.test(name.text);
  const of = ts.isCallExpression(receiver) ? receiver.expression.getText() : receiver.getText();
  return ts.isCallExpression(receiver)
    ? /(^|\.)docker\.get(Container|Image)$/.test(of)
    : (/(^|\.)docker$/.test(of) && !isHandle) || of === 'container';
}

function isWithinCall(node: ts.Node): boolean {
  for (let above = node.parent; above; above = above.parent) {
    if (ts.isCallExpression(above) && /(^|\.)call$/.test(above.expression.getText())) return true;
  }
  return false;
}
