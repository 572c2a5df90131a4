import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type LineCounter, type Node } from 'yaml';

/** Keys and indexes that lead to a value. */
export type YamlPath = readonly PropertyKey[];

/** Line (from 1) of the key or item at `path`; of its nearest ancestor that exists, where it does not. */
export function lineAt(document: Document, lines: LineCounter, path: YamlPath): number {
  let node: unknown = document.contents;
  let offset = startOf(node);
  for (const step of path) {
    const place = stepInto(isAlias(node) ? node.resolve(document) : node, step);
    if (!place) break;
    offset = startOf(place.at);
    node = place.node;
  }
  return Math.max(1, lines.linePos(offset).line);
}

/** The path as people write it: `mounts[0].host`. */
export function pathName(path: YamlPath): string {
  return path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index > 0 ? '.' : ''}${String(step)}`))
    .join('');
}

/** The value at `path` of what the document stands for; `undefined` when there is none. */
export function valueAt(value: unknown, path: YamlPath): unknown {
  return path.reduce<unknown>(
    (inner, step) => (inner !== null && typeof inner === 'object' ? Reflect.get(inner, step) : undefined),
    value,
  );
}

function stepInto(node: unknown, step: PropertyKey): { at: unknown; node: unknown } | undefined {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === String(step));
    return pair && { at: pair.key, node: pair.value };
  }
  if (isSeq(node) && typeof step === 'number' && step < node.items.length)
    return { at: node.items[step], node: node.items[step] };
  return undefined;
}

function startOf(node: unknown): number {
  return (isNode(node) ? (node as Node).range?.[0] : undefined) ?? 0;
}
