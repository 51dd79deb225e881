import { useMemo } from 'react';
import { foldSame, type Side, sideBySide } from './diff';
import classes from './SideBySide.module.css';

/** So many rows are drawn: nobody reads more of a comparison. */
const ROWS_MAX = 3_000;

type Props = { before: string; after: string; beforeLabel: string; afterLabel: string };

/** Two texts beside each other, with what differs marked. */
export function SideBySide({ before, after, beforeLabel, afterLabel }: Props) {
  const parts = useMemo(() => foldSame(sideBySide(before, after)), [before, after]);
  const more = parts.length - ROWS_MAX;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and has to by the keyboard, too
    <section className={classes.frame} tabIndex={0} aria-label={`${beforeLabel} and ${afterLabel}, compared`}>
      <table className={classes.table}>
        <thead>
          <tr>
            <th scope="col">{beforeLabel}</th>
            <th scope="col">{afterLabel}</th>
          </tr>
        </thead>
        <tbody>
          {parts.slice(0, ROWS_MAX).map((part, index) =>
            part.kind === 'skipped' ? (
              // biome-ignore lint/suspicious/noArrayIndexKey: the rows of one comparison never move
              <tr key={index}>
                <td colSpan={2} className={classes.skipped}>
                  {part.count === 1 ? 'One line that is the same' : `${part.count} lines that are the same`}
                </td>
              </tr>
            ) : (
              // biome-ignore lint/suspicious/noArrayIndexKey: the rows of one comparison never move
              <tr key={index}>
                <Cell side={part.left} changed={part.kind === 'changed'} className={classes.before} />
                <Cell side={part.right} changed={part.kind === 'changed'} className={classes.after} />
              </tr>
            ),
          )}
          {more > 0 && (
            <tr>
              <td colSpan={2} className={classes.skipped}>
                {more} more rows
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </section>
  );
}

function Cell({ side, changed, className }: { side: Side; changed: boolean; className: string | undefined }) {
  if (!side) return <td className={classes.none} />;
  return (
    <td className={changed ? className : undefined}>
      <span className={classes.number} aria-hidden>
        {side.number}
      </span>
      {side.pieces.map((piece, index) =>
        // biome-ignore lint/suspicious/noArrayIndexKey: the pieces of one line never move
        piece.changed ? <mark key={index}>{piece.text}</mark> : <span key={index}>{piece.text}</span>,
      )}
    </td>
  );
}
