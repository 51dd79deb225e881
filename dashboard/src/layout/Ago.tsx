import { Tooltip } from '@mantine/core';
import { useNow } from './now';
import { exactTime, relativeTime } from './time';

/** A time as people say it, exact on hover and for machines. */
export function Ago({ at, prefix }: { at: string | null | undefined; prefix?: string }) {
  const now = useNow();
  if (!at) return <span>never</span>;
  const when = new Date(at);
  return (
    <Tooltip label={exactTime(when)}>
      <time dateTime={when.toISOString()}>
        {prefix ? `${prefix} ` : ''}
        {relativeTime(when.getTime(), now)}
      </time>
    </Tooltip>
  );
}
