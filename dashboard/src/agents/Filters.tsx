import { NativeSelect, TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';
import type { HostView } from '../hosts/hosts';
import type { Group } from './describe';
import classes from './Filters.module.css';
import { type AgentFilter, GROUPS } from './filter';

type Props = {
  filter: AgentFilter;
  onChange: (filter: AgentFilter) => void;
  counts: Record<Group, number>;
  total: number;
  hosts: readonly HostView[];
};

/** Which agents are shown. */
export function Filters({ filter, onChange, counts, total, hosts }: Props) {
  const { q, show, host } = filter;
  const [typed, setTyped] = useState(q ?? '');
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // The address comes behind what is typed: while somebody types, the field leads.
    if (document.activeElement !== field.current) setTyped(q ?? '');
  }, [q]);
  const choose = (next: AgentFilter) =>
    onChange(Object.fromEntries(Object.entries({ ...filter, ...next }).filter(([, value]) => value)));
  return (
    <search className={classes.bar}>
      <TextInput
        className={classes.search}
        type="search"
        aria-label="Find agents by name, role or host"
        placeholder="Find by name, role or host"
        leftSection={<IconSearch size={16} stroke={1.6} />}
        ref={field}
        value={typed}
        onChange={(event) => {
          setTyped(event.currentTarget.value);
          choose({ q: event.currentTarget.value });
        }}
      />
      <fieldset className={classes.groups} aria-label="State">
        <GroupButton label="All" count={total} pressed={!show} onClick={() => choose({ show: undefined })} />
        {GROUPS.map(({ value, label }) => (
          <GroupButton
            key={value}
            label={label}
            count={counts[value]}
            pressed={show === value}
            onClick={() => choose({ show: value })}
          />
        ))}
      </fieldset>
      {hosts.length > 1 && (
        <NativeSelect
          className={classes.host}
          aria-label="Host"
          value={host ?? ''}
          onChange={(event) => choose({ host: event.currentTarget.value })}
          data={[
            { value: '', label: 'All hosts' },
            ...hosts.map(({ id, name }) => ({ value: id, label: name })),
          ]}
        />
      )}
    </search>
  );
}

type ButtonProps = { label: string; count: number; pressed: boolean; onClick: () => void };

function GroupButton({ label, count, pressed, onClick }: ButtonProps) {
  return (
    <button type="button" className={classes.group} aria-pressed={pressed} onClick={onClick}>
      {label} <span className={classes.count}>{count}</span>
    </button>
  );
}
