// The whole bot: the messages of a turn come as JSON on stdin, what it prints is the reply.
// It runs on Node 20 or later and needs no packages. Change it; the next message is answered by the new one.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { networkInterfaces, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const HELP = `I am a small bot in a place of my own. Try:
  where         where I run, and as whom
  limits        what I am allowed: memory, processor, processes, network
  count         how many messages this conversation has had
  remember X    I keep X, also while my container is stopped
  recall        what I was told to remember
  file          I send a file
  time          what time it is here
  slow 5        I take five seconds; write in between and see
  fail          I exit with an error, and you are told why
  crash         I am killed by a signal, and you are told that too
Anything else I answer as well as I can.`;

const commands = {
  help: () => HELP,
  where,
  limits,
  count: () => `This conversation has had ${many(state.count, 'message')}, the first at ${state.since}.`,
  remember: (what) => {
    if (!what) return 'Remember what? For example: remember the milk';
    state.notes.push(what);
    return `I keep that: ${what}`;
  },
  recall: () => (state.notes.length > 0 ? state.notes.map((note) => `- ${note}`).join('\n') : 'Nothing yet.'),
  file,
  time: () => `It is ${new Date().toString()}.`,
  slow: async (seconds) => {
    const time = Math.min(Number(seconds) || 5, 3600);
    await wait(time * 1000);
    return `That took ${many(time, 'second')}.`;
  },
  fail: () => {
    console.error('the bot was asked to fail, and did');
    process.exit(1);
  },
  crash: () => {
    process.kill(process.pid, 'SIGABRT');
    return wait(1000);
  },
};

const turn = JSON.parse(readFileSync(0, 'utf8'));
const home = join(process.env.HOME ?? '.', 'demo-bot.json');
const state = { count: 0, since: new Date().toISOString(), lastId: '', notes: [], ...readJson(home) };
const reply = await answer(turn.messages.findLast((message) => !message.context));
keepState();
console.log(typeof reply === 'string' ? reply : JSON.stringify(reply));

/** A turn that was cut short is repeated: the same message counts once. */
async function answer(message) {
  if (message.id !== state.lastId) state.count += 1;
  state.lastId = message.id;
  keepState();
  const [word = '', ...rest] = message.text.trim().replace(/^\//, '').split(/\s+/);
  const name = word.toLowerCase();
  if (Object.hasOwn(commands, name)) return commands[name](rest.join(' '));
  return chat(message);
}

function chat(message) {
  const again = message.attempt > 1 ? ` (at attempt ${message.attempt}: I was interrupted)` : '';
  const files = message.files.map((one) => `${one.name} (${one.bytes} bytes)`).join(', ');
  return [
    `Hello ${message.sender.name ?? message.sender.id}, you said: ${message.text || 'nothing'}${again}`,
    ...(files ? [`I got ${files}.`] : []),
    `That was message ${state.count} of this conversation. Say "help" to see what I can do.`,
  ].join('\n');
}

function where() {
  const { BERTH_GROUP_NAME: name, BERTH_SESSION: session, BERTH_EPOCH: epoch } = process.env;
  const user = tryOr(() => userInfo().username, 'nobody in particular');
  return [
    place(),
    `Group ${name ?? turn.groupName}, session ${session ?? turn.session}, start number ${epoch ?? 'unknown'} of this session.`,
    `User ${user} (${process.getuid?.()}), folder ${process.cwd()}, home ${process.env.HOME ?? 'none'}.`,
    `Linux sees me as ${process.platform} ${process.arch}, Node ${process.version}, process ${process.pid}.`,
  ].join('\n');
}

function place() {
  const marks = ['/.dockerenv', '/run/.containerenv'].filter((path) => existsSync(path));
  if (/docker|containerd|kubepods|libpod/.test(readText('/proc/1/cgroup') ?? ''))
    marks.push('my control group');
  if (readText('/proc/1/comm') === 'bwrap') {
    return 'I run in a bubblewrap sandbox on the host: walls, but no container.';
  }
  // Without a container, Berth's folders lie elsewhere; the marks may be those of a container that the host runs in.
  if (process.env.BERTH_IN_DIR !== '/session/in') {
    return 'I run as a plain process beside the host: this is no container of my own, and nothing keeps me in.';
  }
  return `I run in a container of my own${marks.length > 0 ? ` (${marks.join(', ')} says so)` : ''}.`;
}

function limits() {
  const network = Object.keys(networkInterfaces()).some((name) => name !== 'lo') ? 'yes' : 'none';
  return [
    `memory     ${memoryLimit()}`,
    `processor  ${processorLimit()}`,
    `processes  ${limitOf('pids.max', 'pids/pids.max') ?? 'no limit'}`,
    `network    ${network}`,
    `root       ${rootIsReadOnly() ? 'read-only' : 'writable'}`,
    `user       ${process.getuid?.() === 0 ? 'root' : 'not root'}`,
  ].join('\n');
}

function memoryLimit() {
  const bytes = Number(limitOf('memory.max', 'memory/memory.limit_in_bytes'));
  // Version 1 says "no limit" by a number that no machine has.
  return bytes > 0 && bytes < 2 ** 50 ? `${Math.round(bytes / 2 ** 20)} MiB` : 'no limit';
}

function processorLimit() {
  const [quota, period] =
    readText('/sys/fs/cgroup/cpu.max')?.split(' ').map(Number) ??
    ['quota', 'period'].map((what) => Number(readText(`/sys/fs/cgroup/cpu/cpu.cfs_${what}_us`)));
  return quota > 0 && period > 0 ? many(quota / period, 'core') : 'no limit';
}

/** The value in control groups of version 2, else of version 1; nothing where there is no limit. */
function limitOf(version2, version1) {
  const value = readText(`/sys/fs/cgroup/${version2}`) ?? readText(`/sys/fs/cgroup/${version1}`);
  return value === 'max' ? undefined : value;
}

function rootIsReadOnly() {
  const mounts = (readText('/proc/self/mounts') ?? '').split('\n').map((line) => line.split(' '));
  return (
    mounts
      .findLast(([, path]) => path === '/')?.[3]
      ?.split(',')
      .includes('ro') ?? false
  );
}

function file() {
  const path = join(turn.outDir, 'from-the-demo-bot.txt');
  writeFileSync(path, `Hello from session ${turn.session}.\nNotes: ${state.notes.join(', ') || 'none'}\n`);
  return { text: 'Here is a file.', files: [{ path }] };
}

function keepState() {
  tryOr(() => {
    mkdirSync(join(home, '..'), { recursive: true });
    writeFileSync(`${home}.new`, JSON.stringify(state));
    renameSync(`${home}.new`, home);
  });
}

function readJson(path) {
  return tryOr(() => JSON.parse(readFileSync(path, 'utf8')), {});
}

function readText(path) {
  return tryOr(() => readFileSync(path, 'utf8').trim());
}

function tryOr(work, otherwise) {
  try {
    return work();
  } catch {
    return otherwise;
  }
}

function many(number, what) {
  return `${Number(number.toFixed(2))} ${what}${number === 1 ? '' : 's'}`;
}
