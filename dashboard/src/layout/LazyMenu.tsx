import { type ComponentType, type ReactNode, useEffect, useRef, useState } from 'react';
import { tellFailed } from './action';
import { loadPart, reloadOnce } from './load';

type Props = {
  /** The button, which is there at once. */
  target: (open: () => void) => ReactNode;
  /** Loads the menu around the same button, which opens by itself. */
  load: () => Promise<{ default: ComponentType }>;
};

/** By then the page has what it needs itself. It is loaded unasked, as one may sign out without a network, too. */
const UNASKED_MS = 3_000;

/** A menu that the first page does not wait for. */
export function LazyMenu({ target, load }: Props) {
  const [Menu, setMenu] = useState<ComponentType | null>(null);
  useEffect(() => {
    const timer = setTimeout(() => void load().catch(() => undefined), UNASKED_MS);
    return () => clearTimeout(timer);
  }, [load]);
  const open = async () => {
    try {
      const loaded = await loadPart(load);
      setMenu(() => loaded.default);
    } catch (error) {
      if (!reloadOnce(error)) tellFailed(error);
    }
  };
  return Menu ? <Menu /> : target(() => void open());
}

/** A menu that opens as soon as it is there, from its button: when it closes, the focus is on that again. */
export function useOpenMenu() {
  const target = useRef<HTMLButtonElement>(null);
  const [opened, onChange] = useState(false);
  useEffect(() => {
    target.current?.focus();
    onChange(true);
  }, []);
  return { target, menu: { opened, onChange } };
}
