import { useEffect, useRef } from 'react';

/** Gives the focus back to what opened a dialog. One that is gone as soon as it is closed is open all the time. */
export function useFocusBack(opened = true): void {
  const before = useRef<HTMLElement | null>(null);
  // Looked for while the dialog is drawn: a menu that led to it is gone a moment later.
  if (opened) before.current ??= opener();
  useEffect(() => {
    if (!opened) return;
    return () => {
      before.current?.focus({ preventScroll: true });
      before.current = null;
    };
  }, [opened]);
}

/** What has the focus; of a menu the button that it hangs on. */
function opener(): HTMLElement | null {
  const active = document.activeElement;
  const button = active?.closest('[role=menu]')?.getAttribute('aria-labelledby');
  const element = button ? document.getElementById(button) : active;
  return element instanceof HTMLElement ? element : null;
}
