import type { Engine } from '../src/engines/engine.ts';

/** Where the figures are taken. */
export interface BenchPlace {
  engine: Engine;
  image: string;
  /** 1: as many measurements as the targets ask for; less for a quick look. */
  scale: number;
}
