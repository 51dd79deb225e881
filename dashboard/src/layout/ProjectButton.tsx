import { IconSelector } from '@tabler/icons-react';
import type { ComponentProps } from 'react';
import { useProject } from '../project/project';
import classes from './Shell.module.css';

/** What the menu of the projects hangs on: the one that is shown. */
export function ProjectButton(props: ComponentProps<'button'>) {
  const project = useProject();
  return (
    <button
      type="button"
      className={classes.select}
      aria-haspopup="menu"
      aria-label={`Project ${project.name}; choose another one`}
      {...props}
    >
      <span>{project.name}</span>
      <IconSelector size={15} stroke={1.6} aria-hidden />
    </button>
  );
}
