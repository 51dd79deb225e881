import { type ComponentType, type ReactNode, Suspense, useState } from 'react';

type Props = {
  /** The button, which is there at once. */
  target: (open: () => void) => ReactNode;
  /** The menu around the same button, open from the beginning. */
  menu: ComponentType;
  /** Begins to load the menu. */
  preload: () => void;
};

/** A menu that is loaded when somebody is about to open it: most page loads open none. */
export function LazyMenu({ target, menu: Menu, preload }: Props) {
  const [wanted, setWanted] = useState(false);
  const button = target(() => setWanted(true));
  if (wanted) {
    return (
      <Suspense fallback={button}>
        <Menu />
      </Suspense>
    );
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: it only begins to load; the button in it is what acts
    <span style={{ display: 'contents' }} onPointerEnter={preload} onFocus={preload}>
      {button}
    </span>
  );
}
