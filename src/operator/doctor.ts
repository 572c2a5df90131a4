import { json } from 'node:stream/consumers';
import { oneLine } from '../channels/terminal/printable.ts';
import { type Config, loadConfig } from '../config.ts';
import { asBerthError, BerthError, describeError } from '../errors.ts';
import { askHost } from './ask-host.ts';
import { diagnoseEngine } from './diagnose-engine.ts';
import { diagnoseDataFolder, diagnoseDisk, diagnoseGroups, diagnoseLedger } from './diagnose-folders.ts';
import { diagnoseInotify, diagnoseOpenFiles } from './diagnose-limits.ts';
import { type Finding, fail, ok } from './finding.ts';
import type { StatusAnswer } from './operator-server.ts';
import { printTable } from './print-table.ts';

/**
 * `berth doctor`: looks at all that a host needs, whether one runs or not, and says of each thing that is not as it should be
 * what to do. Changes nothing.
 * @returns the exit code: 1 when something fails, with one line on stderr.
 */
export async function doctor(options: { json?: boolean }): Promise<number> {
  const findings = await examine();
  const isWell = findings.every(({ state }) => state !== 'fail');
  const { stdout, stderr } = process;
  if (options.json) stdout.write(`${JSON.stringify({ ok: isWell, findings }, null, 2)}\n`);
  else {
    const rows = findings.map(({ check, state, says, remedy }) =>
      [check, state, says, remedy ?? '-'].map(oneLine),
    );
    printTable(stdout, ['CHECK', 'STATE', 'FINDING', 'REMEDY'], rows);
  }
  if (isWell) return 0;
  stderr.write(`berth: ${describeError(failureOf(findings))}\n`);
  return 1;
}

/** In one line, as every command that fails has it; what to do stands with each finding. */
function failureOf(findings: Finding[]): BerthError {
  const failed = findings.filter(({ state }) => state === 'fail').map(({ check }) => oneLine(check));
  const count = `${failed.length} of ${findings.length} checks failed`;
  return new BerthError('E_DOCTOR', `${count}: ${failed.join(', ')}`);
}

async function examine(): Promise<Finding[]> {
  let config: Readonly<Config>;
  try {
    config = loadConfig(process.env, process.cwd());
  } catch (error) {
    // Without settings it is not known where to look for the rest.
    const { message, remedy } = asBerthError(error);
    return [fail('settings', message, remedy)];
  }
  const { dataDir, groupsDir } = config;
  const pid = await hostPid(dataDir);
  const host =
    pid === undefined ? 'none runs on this data folder' : `process ${pid} runs on this data folder`;
  return [
    ok('settings', 'all are valid'),
    ok('host', host),
    diagnoseDataFolder(dataDir),
    diagnoseDisk(dataDir),
    await diagnoseLedger(dataDir),
    ...(await diagnoseGroups(groupsDir)),
    ...(await diagnoseEngine(config)),
    diagnoseOpenFiles(pid),
    diagnoseInotify(),
  ];
}

async function hostPid(dataDir: string): Promise<number | undefined> {
  try {
    return ((await json(await askHost(dataDir, '/status'))) as StatusAnswer).pid;
  } catch {
    return undefined;
  }
}
