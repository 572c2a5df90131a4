import type { Readable } from 'node:stream';

/** An image as the engine has it. */
export interface FoundImage {
  id: string;
  /** Bytes, all layers together. */
  size: number;
  labels: Record<string, string>;
}

export interface BuildRequest {
  /** Name under which the image can be started. */
  tag: string;
  /** Dockerfile and files, as a tar. */
  context: Readable;
  args: Record<string, string>;
  labels: Record<string, string>;
  /** True: nothing of earlier builds is used again. */
  noCache: boolean;
  /** Called with each line that the builder prints. */
  onLine: (line: string) => void;
}

/** What an engine can do with images. Errors as with `Engine`; a build that fails is E_IMAGE_BUILD with the builder's last lines. */
export interface ImageBuilder {
  /** The engine's CPU, in Node's words: `x64`, `arm64` … */
  architecture(): Promise<string>;
  /** Undefined when there is no such image. */
  inspect(image: string): Promise<FoundImage | undefined>;
  /** Fetches an image from its registry. Throws when the registry says nothing for `idleMs` milliseconds. */
  pull(image: string, idleMs: number, onLine: (line: string) => void): Promise<void>;
  /** Makes an image of a root file system in a tar. */
  importRootfs(tar: Readable, tag: string, labels: Record<string, string>): Promise<void>;
  /** @returns the id of the new image. */
  build(request: BuildRequest): Promise<string>;
  /** Resolves also when there is no such image. */
  remove(image: string): Promise<void>;
}
