import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'
import type { Role } from './api/types'
import { useSession } from './stores/session'
import { t } from './texts'

declare module 'vue-router' {
  interface RouteMeta {
    title?: string
    public?: boolean
    /** Whom there is something to do for; others are led to the dashboard. */
    needs?: Role
  }
}

export const routes: RouteRecordRaw[] = [
  { path: '/login', name: 'login', component: () => import('./pages/auth/LoginPage.vue'), meta: { public: true, title: t.auth.loginTitle } },
  { path: '/register', name: 'register', component: () => import('./pages/auth/RegisterPage.vue'), meta: { public: true, title: t.auth.registerTitle } },
  {
    path: '/',
    component: () => import('./layouts/AppShell.vue'),
    children: [
      { path: '', name: 'dashboard', component: () => import('./pages/dashboard/DashboardPage.vue'), meta: { title: t.nav.dashboard } },
      { path: 'products', name: 'products', component: () => import('./pages/products/ProductsPage.vue'), meta: { title: t.nav.products } },
      { path: 'products/:id(\\d+)', name: 'product', component: () => import('./pages/products/ProductPage.vue'), meta: { title: t.nav.products } },
      { path: 'suppliers', name: 'suppliers', component: () => import('./pages/contacts/ContactsPage.vue'), props: { kind: 'suppliers' }, meta: { title: t.nav.suppliers } },
      { path: 'suppliers/:id(\\d+)', name: 'supplier', component: () => import('./pages/contacts/ContactPage.vue'), props: { kind: 'suppliers' }, meta: { title: t.nav.suppliers } },
      { path: 'customers', name: 'customers', component: () => import('./pages/contacts/ContactsPage.vue'), props: { kind: 'customers' }, meta: { title: t.nav.customers } },
      { path: 'customers/:id(\\d+)', name: 'customer', component: () => import('./pages/contacts/ContactPage.vue'), props: { kind: 'customers' }, meta: { title: t.nav.customers } },
      { path: 'storages', name: 'storages', component: () => import('./pages/storages/StoragesPage.vue'), meta: { title: t.nav.storages } },
      { path: 'procurements', name: 'procurements', component: () => import('./pages/procurements/ProcurementsPage.vue'), meta: { title: t.nav.procurements } },
      { path: 'orders', name: 'orders', component: () => import('./pages/orders/OrdersPage.vue'), meta: { title: t.nav.orders } },
      { path: 'orders/:id(\\d+)', name: 'order', component: () => import('./pages/orders/OrderPage.vue'), meta: { title: t.nav.orders } },
      { path: 'operations', name: 'operations', component: () => import('./pages/operations/OperationsPage.vue'), meta: { title: t.nav.operations } },
      { path: 'import', name: 'import', component: () => import('./pages/transfer/ImportPage.vue'), meta: { title: t.nav.import, needs: 'manager' } },
      { path: 'users', name: 'users', component: () => import('./pages/users/UsersPage.vue'), meta: { title: t.nav.users, needs: 'admin' } },
      { path: ':path(.*)*', name: 'not-found', component: () => import('./pages/NotFoundPage.vue'), meta: { title: t.errors.notFoundTitle } },
    ],
  },
]

/** Where to go after signing in: only places of this page, never another site's. */
export function safeNext(next: unknown): string {
  return typeof next === 'string' && /^\/(?![/\\])/.test(next) && !next.startsWith('/login') && !next.startsWith('/register') ? next : '/'
}

export function createPageRouter() {
  const router = createRouter({
    history: createWebHistory(),
    routes,
    scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
  })

  router.beforeEach((to) => {
    const session = useSession()
    if (!to.meta.public && !session.signedIn) return { name: 'login', query: to.fullPath === '/' ? {} : { next: to.fullPath } }
    if (to.meta.public && session.signedIn) return safeNext(to.query.next)
    if (to.meta.needs && !session.may(to.meta.needs)) return { name: 'dashboard' }
    return true
  })

  router.afterEach((to, from) => {
    document.title = to.meta.title ? `${to.meta.title} – ${t.app.name}` : t.app.name
    // A screen reader is told of the new page by its heading, or by the field to begin with; filters of the same page move no focus.
    if (from.matched.length > 0 && to.path !== from.path && !to.meta.public) {
      requestAnimationFrame(() => document.querySelector<HTMLElement>('#page-title')?.focus({ preventScroll: true }))
    }
  })
  return router
}
