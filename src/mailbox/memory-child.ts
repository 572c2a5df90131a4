import { type Memory, readMemory } from './read-memory.ts';

/** Of one `outbound.db`: what is in it, or why that cannot be had. `busy`: worth another try. */
export type MemoryAnswer = { memory: Memory | null } | { problem: string; busy: boolean };

/* A process that reads the memory of one session after another, and is killed when one of them takes too long. */

process.on('message', ({ path }: { path: string }) => process.send?.(answer(path)));
process.on('disconnect', () => process.exit());

function answer(path: string): MemoryAnswer {
  try {
    return { memory: readMemory(path) ?? null };
  } catch (error) {
    const { code = '', message } = error as { code?: string; message: string };
    return { problem: message, busy: code.startsWith('SQLITE_BUSY') };
  }
}
