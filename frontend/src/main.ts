import '@fontsource-variable/ibm-plex-sans/wght.css'
import '@fontsource/ibm-plex-mono/latin-400.css'
import './styles/tokens.css'
import './styles/base.css'
import { createApp } from 'vue'
import { createPinia } from 'pinia'
import { useSessionSource } from './api/client'
import App from './App.vue'
import { createPageRouter } from './router'
import { sessionEnd, useSession } from './stores/session'
import { useToasts } from './stores/toasts'
import { t } from './texts'

const app = createApp(App).use(createPinia())
const router = createPageRouter()
const session = useSession()

/** The session is over: sign in, and come back to where one was. */
function leave(): void {
  if (!session.signedIn) return
  const username = session.user?.username
  session.forget()
  useToasts().show({ kind: 'warning', title: t.session.ended })
  // The address rather than the current route: the first page may not have been reached yet.
  if (!router.currentRoute.value.meta.public) void router.push({ name: 'login', query: { next: location.pathname + location.search }, state: { username } })
}

useSessionSource({ token: () => session.token, onUnauthorized: leave })
app.provide(sessionEnd, leave).use(router).mount('#app')
