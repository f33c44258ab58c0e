"""What a function alone sees of its work, in figures: CloudWatch takes them from one line of its log for each invocation.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from collections import Counter

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from common.config import get_settings

# Of the invocation that is under way.
_figures: Counter[str] = Counter({"ColdStart": 1})


def count(name: str, by: int = 1) -> None:
    """So much more of something in this invocation."""
    _figures[name] += by


def highest(name: str, value: int) -> None:
    """What something came to in this invocation, where it is the highest so far."""
    _figures[name] = max(_figures[name], value)


def tell() -> None:
    """The invocation is over: write down its figures, if there are any and they are wanted."""
    settings = get_settings()
    if settings.metrics_in_logs and _figures:
        metrics = Metrics(namespace=settings.stack_name, service=settings.function)
        for name, value in _figures.items():
            metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
        metrics.flush_metrics()
    _figures.clear()
