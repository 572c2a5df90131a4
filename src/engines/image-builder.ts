import type { Readable } from 'node:stream';

/** An image as the engine has it. */
export interface FoundImage {
  id: string;
  /** Bytes, all layers together. */
  size: number;
  labels: Record<string, string>;
}

/** What a build may take of the machine. */
export interface BuildLimits {
  memoryBytes: number;
  cpus: number;
  /** `none`: what is fetched has to be in the builder's cache. Never the host's own network. */
  network: 'bridge' | 'none';
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
  /** None: the engine's own. */
  limits?: BuildLimits | undefined;
  /** Ends the build; it then throws the signal's reason. */
  signal?: AbortSignal | undefined;
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

/** An image in a list of the engine's. */
export interface ListedImage extends FoundImage {
  /** Names, `name:tag`; none: nothing but other images or containers hold it. */
  tags: string[];
  /** Unix milliseconds. */
  createdAt: number;
}

/** What can be done with finished images, beside what a builder does. Errors as with `Engine`. */
export interface ImageShelf {
  /** Gives an image one more name; a name that another image bore moves over. */
  tag(image: string, name: string): Promise<void>;
  /** All images that bear this label. */
  list(label: string): Promise<ListedImage[]>;
  /** Ids of the images that a container was made of, running or not, whoever made it. */
  inUse(): Promise<Set<string>>;
  /** Removes images without a name that bear this label and are older than an hour: what builds left behind. */
  sweep(label: string): Promise<void>;
  /** Bytes that all images take on the engine's disk, each layer counted once. */
  diskUse(): Promise<number>;
}
