import { type ReactNode, useState } from 'react';
import { GivenText } from '../parts/given-text.tsx';
import { Icon } from '../parts/icon.tsx';
import { JsonMarked } from '../parts/json-marked.tsx';
import type { DiffChild, DiffNode } from './compare.ts';
import { listChanges } from './list-changes.ts';
import { ValueText } from './value-text.tsx';
import { markWords } from './word-marks.ts';

/** More changes than this are shown on request: a page of a hundred thousand lines helps nobody. */
const shownAtFirst = 300;

/** The changed places of two values, nested, with what is equal folded away. `redacted` are JSON Pointers into the event. */
export function DiffView({ node, redacted }: { node: DiffNode; redacted: readonly string[] }) {
  const [showsAll, setShowsAll] = useState(false);
  const changes = listChanges(node).length;
  const [isCut, setCut] = useState(changes > shownAtFirst);
  const unchanged = countUnchanged(node);
  return (
    <div className="diff">
      {isCut ? (
        <p className="diff-cut">
          {changes.toLocaleString('en-GB')} places changed.{' '}
          <button type="button" className="link-button" onClick={() => setCut(false)}>
            Show all of them
          </button>
        </p>
      ) : (
        <Branch node={node} path="" showsAll={showsAll} redacted={pointersIntoValues(redacted)} />
      )}
      {unchanged > 0 && !isCut && (
        <button
          type="button"
          className="link-button fold"
          aria-expanded={showsAll}
          onClick={() => setShowsAll(!showsAll)}
        >
          {showsAll
            ? 'Hide what did not change'
            : `Show ${unchanged} unchanged ${unchanged === 1 ? 'field' : 'fields'}`}
        </button>
      )}
    </div>
  );
}

function Branch({
  node,
  path,
  showsAll,
  redacted,
}: {
  node: DiffNode;
  path: string;
  showsAll: boolean;
  redacted: readonly string[];
}): ReactNode {
  if (node.kind !== 'object' && node.kind !== 'array')
    return <Leaf node={node} isRedacted={redacted.some((pointer) => `${pointer}/`.startsWith(`${path}/`))} />;
  const shown = node.children.filter(({ node: child }) => showsAll || hasChange(child));
  return (
    <ul className="diff-children">
      {shown.map((child) => (
        <Child
          key={`${child.name} ${child.node.kind} ${node.children.indexOf(child)}`}
          child={child}
          path={`${path}/${String(child.name).replaceAll('~', '~0').replaceAll('/', '~1')}`}
          showsAll={showsAll}
          redacted={redacted}
        />
      ))}
    </ul>
  );
}

function Child({
  child: { name, node },
  path,
  showsAll,
  redacted,
}: {
  child: DiffChild;
  path: string;
  showsAll: boolean;
  redacted: readonly string[];
}) {
  const isBranch = node.kind === 'object' || node.kind === 'array';
  return (
    <li className={`diff-line ${isBranch ? 'branch' : node.kind}`}>
      <span className="diff-name">
        <GivenText text={typeof name === 'number' ? `[${name}]` : name} />
      </span>
      <Branch node={node} path={path} showsAll={showsAll} redacted={redacted} />
    </li>
  );
}

/** Both values have the same places, so the name of the value is cut off. */
function pointersIntoValues(pointers: readonly string[]): readonly string[] {
  return pointers
    .filter((pointer) => /^\/(before_value|updated_values)/.test(pointer))
    .map((pointer) => pointer.replace(/^\/[^/]*/, ''));
}

function Leaf({ node, isRedacted }: { node: DiffNode; isRedacted: boolean }) {
  if (!isRedacted) return <Change node={node} />;
  return (
    <>
      <Change node={node} />{' '}
      <span className="redacted">
        <Icon name="lock" /> redacted before it was stored
      </span>
    </>
  );
}

function Change({ node }: { node: DiffNode }) {
  switch (node.kind) {
    case 'added':
      return (
        <ins>
          <span className="unseen">added </span>
          <ValueText text={node.text} />
        </ins>
      );
    case 'removed':
      return (
        <del>
          <span className="unseen">removed </span>
          <ValueText text={node.text} />
        </del>
      );
    case 'replaced': {
      const words = markWords(node.before, node.after);
      return (
        <span className="diff-pair">
          <del>
            <span className="unseen">was </span>
            {words ? <Marked parts={words.before} /> : <ValueText text={node.before} />}
          </del>
          <span className="diff-arrow" aria-hidden="true">
            →
          </span>
          <ins>
            <span className="unseen">is now </span>
            {words ? <Marked parts={words.after} /> : <ValueText text={node.after} />}
          </ins>
        </span>
      );
    }
    case 'unnamed':
      return (
        <span className="unnamed">
          <ValueText text={node.text} /> <em>not part of this request</em>
        </span>
      );
    case 'same':
      return <ValueText text={node.text} />;
    default:
      return null;
  }
}

function Marked({ parts }: { parts: readonly { readonly text: string; readonly isMarked: boolean }[] }) {
  let at = 0;
  return (
    <span className="value string">
      {parts.map(({ text, isMarked }) => {
        at += text.length;
        const Part = isMarked ? 'mark' : 'span';
        return (
          <Part key={at}>
            <JsonMarked text={text} />
          </Part>
        );
      })}
    </span>
  );
}

function hasChange(node: DiffNode): boolean {
  if (node.kind === 'object' || node.kind === 'array') return node.children.some((child) => hasChange(child.node));
  return node.kind !== 'same' && node.kind !== 'unnamed';
}

function countUnchanged(node: DiffNode): number {
  if (node.kind === 'same' || node.kind === 'unnamed') return 1;
  if (node.kind !== 'object' && node.kind !== 'array') return 0;
  return node.children.reduce((sum, child) => sum + countUnchanged(child.node), 0);
}
