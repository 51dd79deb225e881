import { IconRobot } from '@tabler/icons-react';
import { Page } from '../layout/Page';
import { Empty } from '../layout/states';

export default function AgentPage() {
  return (
    <Page title="Agent">
      <Empty icon={<IconRobot size={22} />} title="One agent comes here">
        Until then: <code>creel agent show</code>.
      </Empty>
    </Page>
  );
}
