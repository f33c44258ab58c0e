/** Every text of the page, in one place, so that a translation is a second file of this shape. */
import { formatNumber } from './format'

const plural = (n: number, one: string, many: string): string => `${formatNumber(n)} ${n === 1 ? one : many}`

export const t = {
  app: { name: 'Stockroom', },
  nav: {
    main: 'Main', skip: 'Skip to content', close: 'Close menu', more: 'More',
    trade: 'Trade', warehouse: 'Warehouse', people: 'Contacts', system: 'System',
    dashboard: 'Dashboard', orders: 'Orders', procurements: 'Procurements', procurementsShort: 'Procure', products: 'Products', storages: 'Storages',
    customers: 'Customers', suppliers: 'Suppliers', operations: 'Operations', import: 'Import', users: 'Users',
  },
  actions: {
    add: 'Add', cancel: 'Cancel', save: 'Save', edit: 'Edit', remove: 'Delete', close: 'Close', retry: 'Try again', undo: 'Undo',
    clear: 'Clear', clearFilters: 'Clear filters', view: 'View', exportCsv: 'Export CSV',
    more: (of: string) => `Actions for ${of}`, signIn: 'Sign in', signOut: 'Sign out', keep: 'Keep', stop: 'Stop', previous: 'Previous page', next: 'Next page',
  },
  errors: {
    network: 'The server cannot be reached. What you typed is still here.',
    unavailable: 'This part of the system is not available just now.',
    unavailableFor: (seconds: number) => `This part of the system is not available just now. Try again in ${plural(seconds, 'second', 'seconds')}.`,
    ofStatus: (status: number) => `The server answered with status ${status}.`,
    loadTitle: 'This could not be loaded',
    notFoundTitle: 'Nothing here',
    notFound: 'There is no such page. It may have been deleted, or the address is mistyped.',
    stale: 'Not up to date:',
    trace: (id: string) => `Trace ${id}`,
  },
  /** Better words for some of the API's error codes. */
  problems: {
    product_code_taken: 'Another product has this code already.',
    insufficient_stock: (extensions: Record<string, unknown>) =>
      typeof extensions.available === 'number' ? `There is not enough stock: ${formatNumber(extensions.available)} available.` : 'There is not enough stock.',
    invalid_credentials: 'That name and password do not match.',
    order_rejected: 'A rejected order cannot be cancelled: it never took any stock.',
    start_too_deep: 'That page is too far from the first to jump to. Turn the pages, narrow the list, or sort by number.',
    too_many_requests: 'That was too quick. Wait a moment and try again.',
    access_denied: 'Your role does not allow that. An admin can change it.',
    user_disabled: 'This account is disabled. Ask an admin.',
    last_admin: 'Somebody has to stay admin: make another user one first.',
  },
  live: {
    live: 'Live', connecting: 'Connecting', polling: 'Every 5 s', offline: 'Offline',
    liveHint: 'Changes show as they happen', connectingHint: 'Connecting to live changes', pollingHint: 'Live changes cannot be had; asking every 5 seconds', offlineHint: 'No connection',
    offlineBanner: 'You are offline. You can go on reading; what you type stays, and everything is refreshed when the connection returns.',
  },
  theme: { label: 'Appearance', system: 'As the system', light: 'Light', dark: 'Dark' },
  help: { title: 'Keyboard', find: 'Find a product', scan: 'Scan a code anywhere: the product opens', create: 'New, on every list', send: 'Send a form; in a picker, take the marked one', close: 'Close a dialog', help: 'This list', api: 'API description' },
  period: { label: 'Period', until: '–', any: 'Any time', today: 'Today', yesterday: 'Yesterday', week: 'Last 7 days', month: 'Last 30 days', thisMonth: 'This month', other: 'Other days' },
  search: {
    label: 'Find or scan a product', placeholder: 'Find or scan a product',
    notFound: (code: string) => `No product has the code ${code}`,
  },
  session: {
    endsSoon: 'Your session ends in less than ten minutes.', endsIn: (time: string) => `Your session ends in ${time}.`, renew: 'Stay signed in', renewTitle: 'Stay signed in', renewHint: 'Your password starts a new session of 6 hours. Nothing on this page is lost.',
    ended: 'Your session has ended. Sign in to go on where you were.', renewed: 'Signed in for another 6 hours',
  },
  auth: {
    loginTitle: 'Sign in', registerTitle: 'Create your account', username: 'User name', email: 'Email', password: 'Password',
    showPassword: 'Show password', hidePassword: 'Hide password',
    noAccount: 'New here?', toRegister: 'Create an account', haveAccount: 'Already have an account?', submitRegister: 'Create account',
    usernameHint: '3 to 50 letters, digits, dots, dashes or underscores', usernameBad: 'Use 3 to 50 letters, digits, dots, dashes or underscores.',
    emailBad: 'This does not look like an email address.', required: 'Please fill this in.',
    rules: 'The password', ruleLength: 'at least 8 characters', ruleFree: 'anything else goes: spaces, phrases, any letters', tooShort: 'Use at least 8 characters.',
    pitch: 'Stock that adds up.', pitchDetail: 'Every change has a cause, every order is decided once, and what you see is what is on the shelf.',
    points: ['Orders confirmed before your eyes', 'Warned before stock runs short', 'Every movement traced to its cause'],
  },
  fields: {
    name: 'Name', code: 'Code', category: 'Category', buy: 'Buying price', sell: 'Selling price', unit: 'Unit', supplier: 'Supplier', customer: 'Customer', product: 'Product',
    city: 'City', address: 'Address', contact: 'Contact person', stock: 'Stock', quantity: 'Quantity', unitPrice: 'Unit price', total: 'Total', when: 'When', status: 'Status', number: 'No.',
    reason: 'Reason', from: 'From', to: 'To', margin: 'Margin', cause: 'Cause', change: 'Change', balance: 'Balance', value: 'Value',
    required: 'Please fill this in.', number_: 'Please give a number.', positive: 'Please give a number above zero.', notNegative: 'Please give zero or more.', pick: (what: string) => `Please pick a ${what}.`,

  },
  table: {
    loading: 'Loading', range: (from: number, to: number, total: number, exact = true) => `${formatNumber(from)}–${formatNumber(to)} of ${formatNumber(total)}${exact ? '' : '+'}`, actions: 'Actions', pagination: 'Pages',
    filters: 'Filters', sortBy: 'Sort by', added: 'When added', ascending: 'Ascending', descending: 'Descending', page: 'Page', noMatch: 'Nothing matches', noMatchHint: 'Try fewer filters or another search.',

  },
  picker: { searching: 'Searching…', none: 'Nothing found', clear: 'Clear', typeMore: 'Type to search' },
  dashboard: {
    hello: (name: string) => `Hello, ${name}`,
    stockValue: 'Stock value', stockValueHint: (n: number) => `${plural(n, 'product', 'products')} at buying prices`, low: 'Low stock', lowHint: 'below 10 in stock', empty: (n: number) => `${formatNumber(n)} of them empty`,
    ordersToday: 'Orders today', procurementsToday: 'Procurements today', sold: (value: string) => `${value} sold`, bought: (value: string) => `${value} bought`,
    sales: 'Sales', salesHint: 'Sold per day, last 30 days', top: 'Top products', topHint: 'By sales, last 30 days', events: 'Latest events', eventsEmpty: 'Nothing has happened yet', alerts: 'Running low', alertsEmpty: 'Nothing is running low',
    left: (n: number) => `${formatNumber(n)} left`, all: 'All', noSales: 'No sales in this period yet', restock: 'Restock', chartTable: 'As a table', waiting: (n: number) => `${plural(n, 'order', 'orders')} waiting`,
    startTitle: 'An empty warehouse', startHint: 'Three steps to a first order.', startSupplier: '1. Add a supplier', startProduct: '2. Add a product', startStock: '3. Buy some stock',
  },
  products: {
    title: 'Products', one: 'product', new: 'New product', edit: 'Edit product', search: 'Search name or code', empty: 'No products yet', emptyHint: 'Add the first one, or import a list.',
    created: (name: string) => `${name} added`, updated: (name: string) => `${name} saved`, deleted: (name: string) => `${name} deleted`,
    deleteTitle: (name: string) => `Delete ${name}?`, deleteHint: 'This cannot be undone. A product with orders, procurements or stock movements cannot be deleted.', refused: (name: string) => `${name} cannot be deleted`,
    sellBelowBuy: 'This is below the buying price.', stockOverTime: 'Stock over time', stockOverTimeHint: 'Balance after each movement', movements: 'Movements', orders: 'Orders', procurements: 'Procurements', noMovements: 'No movements yet',
    inStock: 'In stock', order: 'Sell', buy: 'Buy', stockValue: 'Stock value', unitHint: 'piece, box, kg…', details: 'Details', soldTotal: 'Sold, 30 days',
  },
  contacts: {
    suppliers: 'Suppliers', customers: 'Customers', supplier: 'supplier', customer: 'customer', newSupplier: 'New supplier', newCustomer: 'New customer', editSupplier: 'Edit supplier', editCustomer: 'Edit customer',
    search: 'Search name, city or contact', emptySuppliers: 'No suppliers yet', emptyCustomers: 'No customers yet', emptyHint: 'Add the first one, or import a list.',
    created: (name: string) => `${name} added`, updated: (name: string) => `${name} saved`, deleted: (name: string) => `${name} deleted`, deleteTitle: (name: string) => `Delete ${name}?`,
    deleteHintSupplier: 'This cannot be undone. A supplier with products or procurements cannot be deleted.', deleteHintCustomer: 'This cannot be undone. A customer with orders cannot be deleted.',
    refused: (name: string) => `${name} cannot be deleted`, products: 'Products', orders: 'Orders', procurements: 'Procurements', bought: 'Bought, 30 days', orderCount: 'Orders, 30 days', procured: 'Procured, 30 days', procurementCount: 'Procurements, 30 days',
  },
  storages: {
    title: 'Storages', search: 'Search product name or code', empty: 'No stock yet', emptyHint: 'Stock comes with the first procurement, or as an opening stock.', lowOnly: 'Low only', set: 'Change stock', low: 'Low', out: 'Out',
    reconciled: 'Ledger adds up', mismatched: (n: number) => `${plural(n, 'product does', 'products do')} not add up`, reconciledHint: 'Every product’s stock equals the sum of its movements', reconciling: 'Checking the ledger',
    modeSet: 'Counted', modeMove: 'Add or take', counted: 'Counted quantity', delta: 'Change by', deltaHint: 'Below zero takes away: -3', becomes: (from: string, to: string) => `${from} becomes ${to}`, wouldBeNegative: (n: number) => `Only ${formatNumber(n)} in stock.`,
    saved: (name: string, to: string) => `${name}: now ${to}`, movements: 'Movements', changedMeanwhile: (n: string) => `The stock changed meanwhile: it is ${n} now.`, lowSinceLabel: 'Low since', note: 'Note (optional)', noteHint: 'For those who read the ledger later', mode: 'How',
    reasons: { opening: 'Opening stock', procurement: 'Procurement', order: 'Order', cancellation: 'Cancellation', return: 'Return', correction: 'Correction', damage: 'Damage', count: 'Count' },
    open: 'Opening stock', openHint: 'How much is there to begin with?',
  },
  orders: {
    title: 'Orders', goTo: 'Order no.', new: 'New order', empty: 'No orders yet', emptyHint: 'Take the first one: a customer, a product, a quantity.', number: (id: number) => `Order ${id}`,
    status: { pending: 'Pending', confirmed: 'Confirmed', rejected: 'Rejected', cancelled: 'Cancelled' }, cancelling: 'Cancelling…',
    taken: (id: number) => `Order ${id} taken`, waiting: 'Waiting for inventory to decide', confirmed: (id: number) => `Order ${id} confirmed`, rejected: (id: number) => `Order ${id} rejected`,
    cancel: 'Cancel order', cancelSoon: (id: number) => `Order ${id} will be cancelled`, cancelHint: 'Nothing has been sent yet.', cancelled: (id: number) => `Order ${id} cancelled`, cancelledHint: 'Its stock is returned.', kept: (id: number) => `Order ${id} kept`, cancelFailed: (id: number) => `Order ${id} could not be cancelled`,
    available: (n: string, unit: string) => `${n} ${unit} in stock`, short: (n: string) => `Only ${n} in stock: this order would be refused.`, onlyLeft: (n: string) => `Only ${n} in stock.`, willBeLow: (n: string) => `Leaves ${n}: this will be low stock.`, checking: 'Asking for stock…', unknownStock: 'The stock cannot be asked for just now; inventory decides when it can.',
    submit: 'Take order', submitting: 'Taking…', another: 'Take another order after this one', path: 'Where is my stock change?', pathHint: 'From the request to the movement', details: 'Details', rejectedBecause: 'Rejected:',
  },
  procurements: {
    title: 'Procurements', new: 'New procurement', empty: 'No procurements yet', emptyHint: 'Buy the first stock: a product, a quantity.', submit: 'Buy', submitting: 'Buying…',
    done: (id: number) => `Procurement ${id} taken`, becomes: (from: string, to: string) => `${from} in stock, then ${to}`,
  },
  users: {
    title: 'Users', search: 'Search name or email', empty: 'No users', registered: 'Registered', role: 'Role', roleOf: (name: string) => `Role of ${name}`, active: 'Active', disabled: 'Disabled', you: 'you', disabledOnly: 'Disabled only',
    roles: { viewer: 'Viewer', clerk: 'Clerk', manager: 'Manager', admin: 'Admin' },
    hint: 'Viewers read, clerks do the day’s work, managers also import, correct in bulk and replay, admins also decide about users.',
    disable: 'Disable', enable: 'Enable', disableTitle: (name: string) => `Disable ${name}?`, disableHint: 'They are signed out everywhere within half a minute, and cannot sign in until they are enabled again.', refused: (name: string) => `${name} cannot be disabled`,
    isNow: (name: string, role: string) => `${name} is ${role} now`, disabledNow: (name: string) => `${name} is disabled`, enabledNow: (name: string) => `${name} may sign in again`, soon: 'It takes effect within half a minute.',
    readOnly: 'View only', changePassword: 'Change password', current: 'Current password', next: 'New password', passwordHint: 'You stay signed in here, and are signed out everywhere else.', passwordChanged: 'Password changed',
  },
  operations: {
    title: 'Operations', ok: 'All is well', degraded: 'Something limps', down: 'Something is down', unknown: 'Not known', services: 'Services', consumers: 'Consumers', cache: 'Cache', deadLetters: 'Dead letters', topology: 'Who tells whom what', topologyHint: 'Messages move as they are published',
    database: 'Database', warm: 'Cache', isWarm: 'warm', isCold: 'cold', lag: 'Lag', restarts: 'Restarts', hitRate: 'Hit rate', keys: 'Keys', memory: 'Memory', evicted: 'Evicted',
    noLetters: 'No dead letters', noLettersHint: 'Nothing has been given up.', replay: 'Replay', replayed: 'Handed out again', attempts: (n: number) => plural(n, 'attempt', 'attempts'), payload: 'Message',
    where: 'Where is my stock change?', whereLabel: 'Order number, event id or trace id', whereGo: 'Find', whereNone: 'Nothing is known under this number or id.',
    published: 'told on', after: (ms: number) => `+${formatNumber(Math.round(ms))} ms`, states: { processed: 'processed', dead: 'given up', failing: 'failing', waiting: 'waiting' }, movement: 'Movement', closed: 'closed', open: 'open', half_open: 'half open', serviceStates: { ok: 'ok', degraded: 'limping', down: 'down' } as Record<string, string>, consumerStates: { running: 'running', starting: 'starting', restarting: 'restarting', stopped: 'stopped', given_up: 'given up' } as Record<string, string>, cacheAway: 'Redis cannot be reached', noService: 'No answer',
    subscribers: 'Consumers', publishers: 'Services', channels: 'Channels', pictureLabel: 'Which service publishes on which channel, and which consumers listen', running: 'running',
  },
  io: {
    title: 'Import', hint: 'A CSV file with a heading line. Nothing is sent before you have seen it.', kinds: { products: 'Products', suppliers: 'Suppliers', customers: 'Customers', stock: 'Stock changes' }, kind: 'What to import', choose: 'Choose a CSV file', drop: 'or drop it here', columns: 'Columns', template: 'Download a template',
    ready: (n: number) => `${formatNumber(n)} ready`, wrong: (n: number) => plural(n, 'row with an error', 'rows with errors'), line: 'Line', send: (n: number) => `Import ${plural(n, 'row', 'rows')}`, checking: 'Checking…', importing: (done: number, all: number) => `${formatNumber(done)} of ${formatNumber(all)}`,
    done: (n: number) => `${plural(n, 'row', 'rows')} imported`, failed: (n: number) => `${plural(n, 'row', 'rows')} failed`, doneHint: 'Importing this very file again changes nothing twice.', another: 'Another file', downloadErrors: 'Download the rows that failed', onlyErrors: 'Errors only',
    deltaHint: 'Stock is moved, never overwritten: each row adds to or takes from what is there when it arrives.', missingColumn: (name: string) => `The column “${name}” is missing.`, emptyFile: 'The file has no rows.', notRead: 'This file could not be read as CSV.', tooMany: (n: number) => `At most ${formatNumber(n)} rows at a time.`, willCreate: 'new', willUpdate: 'change', unchanged: 'unchanged', changes: (what: string, from: string, to: string) => `${what}: ${from} → ${to}`,
    errors: { required: (c: string) => `${c} is missing`, number: (c: string) => `${c} is no number`, ambiguous: (c: string) => `${c} may mean a thousand or one: write it without a comma`, negative: (c: string) => `${c} is below zero`, long: (c: string, n: number) => `${c} is longer than ${n}`, unknownSupplier: (n: string) => `no supplier is called “${n}”`, unknownProduct: (n: string) => `no product has the code “${n}”`, reason: (list: string) => `reason must be one of ${list}`, zero: 'delta is zero', duplicate: (line: number) => `same as line ${line}`, ambiguousSupplier: (n: string) => `several suppliers are called “${n}”`, short: (n: string) => `would fall below zero: only ${n} in stock` },
    exporting: (done: number, all: number) => `Exporting ${formatNumber(done)} of ${formatNumber(all)}`, exported: (n: number) => `${plural(n, 'row', 'rows')} exported`, exportFailed: 'The export stopped', result: 'Result', state: { ready: 'ready', sent: 'done', failed: 'failed' },
  },
  events: {
    product_created: 'Product added', product_updated: 'Product changed', product_deleted: 'Product deleted', supplier_created: 'Supplier added', supplier_updated: 'Supplier changed', supplier_deleted: 'Supplier deleted', customer_created: 'Customer added', customer_updated: 'Customer changed', customer_deleted: 'Customer deleted',
    procurement_stock_in: 'Stock bought', order_stock_out: 'Order taken', order_cancelled: 'Order cancelled', order_confirmed: 'Order confirmed', order_rejected: 'Order rejected', low_stock: 'Stock low', stock_recovered: 'Stock recovered', stock_changed: 'Stock changed',
  } as Record<string, string>,
}
