import type { CSSProperties } from 'react';
import classes from './Avatar.module.css';

/** A colour is a text that anybody may have written: only what is plainly one is taken. */
const PLAIN_COLOUR = /^#[0-9a-f]{3,8}$/i;
/** More than one sign may make up an emoji, but no sentence does. */
const EMOJI_LENGTH = 12;

type Props = { emoji: string | null; color: string | null; name: string; large?: boolean };

/** The agent's face: its emoji, else its first letter. */
export function Avatar({ emoji, color, name, large }: Props) {
  const tint = color && PLAIN_COLOUR.test(color) ? ({ '--tint': color } as CSSProperties) : undefined;
  const face = emoji && emoji.length <= EMOJI_LENGTH ? emoji : null;
  return (
    <span className={`${classes.avatar} ${large ? classes.large : ''}`} style={tint} aria-hidden>
      {face ?? <span className={classes.letter}>{[...name][0]?.toUpperCase() ?? '?'}</span>}
    </span>
  );
}
