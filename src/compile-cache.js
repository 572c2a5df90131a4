import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

/*
 * What Node makes of the sources is kept, and the next process or thread need not make it again. In JavaScript: a process whose
 * first file is TypeScript loads the compiler although all it needs has been kept (docs/decisions/quick-start.md). Beside the
 * packages and not in the folder for temporary files, where others could write it; where it cannot be written, Node does without.
 */
enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'berth'));
