import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createLineTree } from '../src/line-tree.ts';
import { leafHash } from '../src/merkle.ts';
import { isIncluded } from '../src/proofs.ts';
import { createProvableLines } from '../src/provable-lines.ts';
import { rootOf } from '../src/tree-nodes.ts';
import { findIn } from './find-in.ts';

const line = fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => text.replaceAll('\n', ' '));

test('the root is the same however the lines are cut into chunks, and the chunks stay as they were', () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 40 }), fc.array(fc.nat(400)), (lines, cuts) => {
      const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''));
      const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
      const tree = createLineTree();
      for (const [n, place] of places.slice(1).entries()) {
        const chunk = Buffer.from(bytes.subarray(places[n], place));
        const before = Buffer.from(chunk);
        tree.add(chunk);
        expect(chunk).toEqual(before);
      }
      const leaves = lines.map((text) => leafHash(Buffer.from(text)));
      expect(tree.lines).toBe(lines.length);
      expect(tree.isCut).toBe(false);
      expect(tree.root()).toBe(rootOf(lines.length, findIn(leaves)).toString('hex'));
    }),
  );
});

test('the proof of each line leads to the root', () => {
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 40 }), (lines) => {
      const seen: string[] = [];
      const tree = createProvableLines((text, index) => {
        seen[index] = text.toString();
      });
      tree.add(Buffer.from(lines.map((text) => `${text}\n`).join('')));
      expect(seen).toEqual(lines);
      const root = Buffer.from(tree.root(), 'hex');
      for (const [index, text] of lines.entries()) {
        const place = { index, size: lines.length, path: tree.prove(index), root };
        expect(isIncluded(leafHash(Buffer.from(text)), place)).toBe(true);
        expect(isIncluded(leafHash(Buffer.from(`${text}x`)), place)).toBe(false);
      }
    }),
  );
});

test('bytes behind the last newline are no line, and are reported', () => {
  const tree = createLineTree();
  tree.add(Buffer.from('one\ntwo'));
  expect([tree.lines, tree.isCut]).toEqual([1, true]);
});
