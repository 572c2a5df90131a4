#!/usr/bin/env node
import './compile-cache.js';
import './zod-in-english.js';

/* Where `berth` begins. */
await import('./main.ts');
