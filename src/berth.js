#!/usr/bin/env node
import './compile-cache.js';

/* Where `berth` begins. */
await import('./main.ts');
