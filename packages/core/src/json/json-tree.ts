import { type JsonText, maxDepth, skipLiteral, skipString } from './json-text.ts';

/** A value inside a text. The text has no white space between tokens. */
export type JsonNode = ScalarNode | ObjectNode | ArrayNode;

interface Place {
  readonly start: number;
  readonly end: number;
}

/** A string, number or literal; also an object or array below `maxDepth` levels, which is not looked into. */
interface ScalarNode extends Place {
  readonly kind: 'scalar';
}

export interface ObjectNode extends Place {
  readonly kind: 'object';
  readonly shape: number;
  /** The last value of a repeated name counts. Names are unescaped. */
  readonly members: ReadonlyMap<string, JsonNode>;
}

export interface ArrayNode extends Place {
  readonly kind: 'array';
  readonly shape: number;
  readonly elements: readonly JsonNode[];
}

/**
 * Numbers for the texts of objects and arrays: two with the same number have the same text. A comparison of two numbers
 * replaces a comparison of two texts, which at each level of nesting would read everything below it again.
 */
export type Shapes = Map<string, number>;

const quote = 0x22;
const comma = 0x2c;
const openArray = 0x5b;
const closeArray = 0x5d;
const openObject = 0x7b;
const closeObject = 0x7d;

/** Reads a text that `JSON.parse` accepts, in one pass. Trees that are compared share `shapes`. */
export function readTree(text: JsonText, shapes: Shapes): JsonNode {
  let at = 0;

  function readNode(depth: number): JsonNode {
    const code = text.charCodeAt(at);
    if (depth < maxDepth && code === openObject) return readObject(depth);
    if (depth < maxDepth && code === openArray) return readArray(depth);
    const start = at;
    skipValue();
    return { kind: 'scalar', start, end: at };
  }

  function readObject(depth: number): ObjectNode {
    const start = at;
    const members = new Map<string, JsonNode>();
    let shape = '';
    let kept = start;
    at += 1;
    while (text.charCodeAt(at) === quote) {
      const nameStart = at;
      at = skipString(text, at);
      const name = text.slice(nameStart + 1, at - 1);
      at += 1;
      const node = readNode(depth + 1);
      members.set(name.includes('\\') ? JSON.parse(`"${name}"`) : name, node);
      if (node.kind !== 'scalar') {
        shape += `${text.slice(kept, node.start)}#${node.shape}`;
        kept = node.end;
      }
      if (text.charCodeAt(at) === comma) at += 1;
    }
    if (text.charCodeAt(at) === closeObject) at += 1;
    return { kind: 'object', start, end: at, shape: numberOf(shape + text.slice(kept, at)), members };
  }

  function readArray(depth: number): ArrayNode {
    const start = at;
    const elements: JsonNode[] = [];
    let shape = '';
    let kept = start;
    at += 1;
    while (at < text.length && text.charCodeAt(at) !== closeArray) {
      const node = readNode(depth + 1);
      elements.push(node);
      if (node.kind !== 'scalar') {
        shape += `${text.slice(kept, node.start)}#${node.shape}`;
        kept = node.end;
      }
      if (text.charCodeAt(at) === comma) at += 1;
    }
    at += 1;
    return { kind: 'array', start, end: at, shape: numberOf(shape + text.slice(kept, at)), elements };
  }

  /** A # outside of a string is not JSON, so the number of a child cannot be mistaken for text. */
  function numberOf(shape: string): number {
    const known = shapes.get(shape);
    if (known !== undefined) return known;
    shapes.set(shape, shapes.size);
    return shapes.size - 1;
  }

  function skipValue(): void {
    let open = 0;
    do {
      const code = text.charCodeAt(at);
      if (code === quote) at = skipString(text, at);
      else if (code === openArray || code === openObject) {
        open += 1;
        at += 1;
      } else if (code === closeArray || code === closeObject) {
        open -= 1;
        at += 1;
      } else if (code === comma || code === 0x3a) at += 1;
      else at = skipLiteral(text, at);
    } while (open > 0 && at < text.length);
  }

  return readNode(0);
}
