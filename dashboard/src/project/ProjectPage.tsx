import { IconSettings } from '@tabler/icons-react';
import { Page } from '../layout/Page';
import { Empty } from '../layout/states';

export default function ProjectPage() {
  return (
    <Page title="Project">
      <Empty icon={<IconSettings size={22} />} title="Members and settings come here">
        Until then: <code>creel project --help</code>.
      </Empty>
    </Page>
  );
}
