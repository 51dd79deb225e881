import { IconCreditCard, IconRobot, IconServer2, IconSettings, IconStack2 } from '@tabler/icons-react';

/** The pages of a project, in the order in which they are needed. A new page is a line here and one in `router.tsx`. */
export const NAVIGATION = [
  { to: '/p/$project/agents', label: 'Agents', icon: IconRobot },
  { to: '/p/$project/hosts', label: 'Hosts', icon: IconServer2 },
  { to: '/p/$project/queue', label: 'Queue', icon: IconStack2 },
  { to: '/p/$project/billing', label: 'Billing', icon: IconCreditCard },
  { to: '/p/$project/project', label: 'Project', icon: IconSettings },
] as const;
