/** Below this a product is low: inventory's rule (`inventory.models.LOW_STOCK`), applied to changes heard before the row is read again. */
export const LOW_STOCK = 10
