import { useNow } from './now';
import { exactTime, relativeTime } from './time';

/** A time as people say it, exact on hover and for machines. */
export function Ago({ at, prefix }: { at: string | null | undefined; prefix?: string }) {
  const now = useNow();
  if (!at) return <span>never</span>;
  const when = new Date(at);
  return (
    <time dateTime={when.toISOString()} title={exactTime(when)}>
      {prefix ? `${prefix} ` : ''}
      {relativeTime(when.getTime(), now)}
    </time>
  );
}
