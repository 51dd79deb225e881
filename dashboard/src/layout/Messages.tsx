import '@mantine/notifications/styles.css';
import { Notifications } from '@mantine/notifications';

/** Where it is told what came of an action. */
export function Messages() {
  return <Notifications position="bottom-right" />;
}
