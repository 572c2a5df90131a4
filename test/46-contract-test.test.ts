import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { contractTest, python, type Result } from './fixtures/contract-test.ts';

const root = join(import.meta.dirname, '..');
const hasPython = spawnSync('python3', ['--version']).status === 0;
/** The checks wait for real time to pass, such as that of two heartbeats. */
const LIMIT_MS = 240_000;
const folder = mkdtempSync(join(tmpdir(), 'berth-contract-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

function failures(results: Result[]): string[] {
  return results.filter(({ status }) => status !== 'passed').map(({ name, found }) => `${name}: ${found}`);
}

test.concurrent(
  'our runner keeps every rule, those for a slow turn included',
  async () => {
    const bot = join(folder, 'bot.sh');
    writeFileSync(
      bot,
      '#!/bin/sh\nread -r line\ncase "$line" in *slowly*) sleep 3;; esac\necho \'{"draft": "so far"}\'; sleep 1; echo \'{"text": "done"}\'\n',
      {
        mode: 0o755,
      },
    );
    const ours = [process.execPath, join(root, 'agent-runner/src/main.ts')];
    const agent = JSON.stringify({ provider: 'command', command: [bot] });
    const slow = await contractTest(
      '--json',
      '--agent',
      agent,
      '--slow',
      'slowly',
      ...['--only', 'turn/claims-first'],
      ...['--only', 'draft/kept'],
      ...['--only', 'control/abort'],
      ...ours,
    );
    expect(failures(slow.results)).toEqual([]);
    expect(slow.results.find(({ name }) => name === 'draft/kept')?.found).toBe('it changed 2 times');
    const all = await contractTest('--json', '--jobs', '3', ...ours);
    expect(failures(all.results)).toEqual(
      ['turn/claims-first', 'draft/kept', 'control/abort'].map((name) => `${name}: give a text with --slow`),
    );
    expect(all.code).toBe(0);
  },
  LIMIT_MS,
);

describe.skipIf(!hasPython)('the runner in Python (where there is a python3)', () => {
  test.concurrent(
    'keeps every rule, in less than 100 lines',
    async () => {
      const { code, results } = await contractTest('--json', '--jobs', '3', 'python3', python);
      expect(failures(results)).toEqual(
        ['turn/claims-first', 'draft/kept', 'control/abort'].map(
          (name) => `${name}: give a text with --slow`,
        ),
      );
      expect(code).toBe(0);
      expect(readFileSync(python, 'utf8').trimEnd().split('\n').length).toBeLessThan(100);
    },
    LIMIT_MS,
  );

  test.concurrent.each([
    ['as it should be', 'new', 'id', '"so far"', 3, undefined],
    ['of a message that is not claimed', 'new', 'chat', '"so far"', 3, /not claimed/],
    ['larger than it may be', 'new', 'id', '"x" * 70000', 3, /65536 are allowed/],
    ['too often', 'new', 'id', '"so far"', 200, /more than ten a second/],
    ['in place', 'json', 'id', '"so far"', 3, /written in place|no JSON object/],
    ['for ever', 'new', 'id', '"so far"', 3, /no draft after the turn/],
  ] as const)(
    'a runner that shows drafts %s is judged so',
    async (what, end, key, text, count, found) => {
      const source = readFileSync(python, 'utf8');
      const from = '    return "You said: "';
      const wait = 1.5 / count;
      const lines = [
        '    path, new = OUT / "draft.json", OUT / f"draft.{END}"',
        '    for number in range(COUNT):',
        '        new.write_text(json.dumps({"message_id": messages[0]["KEY"], "text": TEXT + str(number), "tool": None}))',
        '        new.rename(path)',
        '        time.sleep(WAIT)',
        ...(what === 'for ever' ? [] : ['    path.unlink()']),
        from,
      ].join('\n');
      const values = { END: end, COUNT: count, KEY: key, TEXT: text, WAIT: wait };
      const drafting = Object.entries(values).reduce(
        (all, [name, value]) => all.replace(name === 'END' ? '{END}' : name, String(value)),
        lines,
      );
      expect(source).toContain(from);
      const runner = join(folder, `drafts-${what.replaceAll(' ', '-')}.py`);
      writeFileSync(runner, source.replace(from, drafting));
      const { results } = await contractTest(
        ...['--json', '--slow', 'hello', '--only', 'draft/kept', 'python3', runner],
      );
      expect(results[0]?.status, results[0]?.found).toBe(found ? 'failed' : 'passed');
      expect(results[0]?.found).toMatch(found ?? /^it changed \d times$/);
    },
    LIMIT_MS,
  );
});

test('a command that does not start fails every check, and says how it ended', async () => {
  const missing = await contractTest('--json', '--only', 'turn/answers', 'no-such-command');
  expect(missing.results[0]?.found).toMatch(/ENOENT/);
  const broken = await contractTest(
    '--json',
    '--only',
    'turn/answers',
    'sh',
    '-c',
    'echo no tables here >&2; exit 3',
  );
  expect(broken.results[0]?.found).toMatch(/ended with code 3: no tables here/);
});

test.each([
  [[], /which command/],
  [['--only', 'turn/nothing', 'true'], /there is no check "turn\/nothing"/],
  [['--agent', '{', 'true'], /not JSON/],
  [['--jobs', 'many', 'true'], /--jobs is a number/],
  [['--nonsense', 'x', 'true'], /nonsense/],
])('wrong usage %j ends with 2 and one line that says why', async (args, why) => {
  const { code, stderr } = await contractTest(...args);
  expect(code).toBe(2);
  expect(stderr.split('\n')[0]).toMatch(why);
});
