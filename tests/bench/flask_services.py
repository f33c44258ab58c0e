"""What the product and order handlers do, by a plain Flask app: the same rules, the same authentication, no functions."""

from typing import Any

from flask import Flask, Response, jsonify, request

from common.auth import authenticate
from common.db import in_transaction
from common.errors import ProblemError
from order import service as orders
from order.schemas import OrderIn
from product import service as products
from product.schemas import ProductQuery

app = Flask("services")


@app.before_request
def sign_in() -> None:
    authenticate(request.headers.get("Authorization"))


@app.get("/api/products/<int:product_id>")
def get_product(product_id: int) -> Response:
    return jsonify(products.get_product(product_id))


@app.get("/api/products")
def list_products() -> Response:
    return jsonify(products.list_products(ProductQuery.model_validate(request.args.to_dict())))


@app.post("/api/orders")
def create_order() -> tuple[Response, int]:
    new = OrderIn.model_validate(request.get_json())
    return jsonify(in_transaction(lambda session: orders.create_order(session, new))), 201


@app.errorhandler(ProblemError)
def problem(error: ProblemError) -> tuple[dict[str, Any], int]:
    return error.document(), error.status
