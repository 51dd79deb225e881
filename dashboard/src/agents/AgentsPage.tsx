import { IconRobot } from '@tabler/icons-react';
import { Page } from '../layout/Page';
import { Empty } from '../layout/states';

export default function AgentsPage() {
  return (
    <Page title="Agents">
      <Empty icon={<IconRobot size={22} />} title="Agents come here">
        Until then: <code>creel agent list</code>.
      </Empty>
    </Page>
  );
}
