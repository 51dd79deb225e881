import { useEffect, useMemo, useRef } from 'react';

/** A function that acts at most once in `ms`, and a last time after the last call. */
export function throttle(act: () => void, ms: number): { call: () => void; cancel: () => void } {
  let timer: ReturnType<typeof setTimeout> | null = null;
  let again = false;
  const call = () => {
    if (timer !== null) {
      again = true;
      return;
    }
    act();
    timer = setTimeout(() => {
      timer = null;
      if (!again) return;
      again = false;
      call();
    }, ms);
  };
  const cancel = () => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    again = false;
  };
  return { call, cancel };
}

/** The same for a component: a burst of changes asks the server once a while, and not once a change. */
export function useThrottled(act: () => void, ms: number): () => void {
  const latest = useRef(act);
  latest.current = act;
  const { call, cancel } = useMemo(() => throttle(() => latest.current(), ms), [ms]);
  useEffect(() => cancel, [cancel]);
  return call;
}
