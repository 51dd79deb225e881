locals {
  at_least = "GreaterThanOrEqualToThreshold"

  # What every function has, what those with a URL have, and those that only a clock calls.
  alarms_of_all = {
    errors = {
      description = "It died, ran out of time or could not start"
      metric      = "Errors"
      statistic   = "Sum"
      periods     = 1
      threshold   = 1
      comparison  = local.at_least
      missing     = "notBreaching"
    }
    throttles = {
      description = "More came at once than is reserved for it"
      metric      = "Throttles"
      statistic   = "Sum"
      periods     = 1
      threshold   = 1
      comparison  = local.at_least
      missing     = "notBreaching"
    }
    slow = {
      description = "One answer of a hundred takes too long"
      metric      = "Duration"
      statistic   = "p99"
      periods     = 3
      threshold   = null
      comparison  = "GreaterThanThreshold"
      missing     = "notBreaching"
    }
  }
  alarms_of_urls = {
    failing = {
      description = "It answers 5xx"
      metric      = "Url5xxCount"
      statistic   = "Sum"
      periods     = 2
      threshold   = 5
      comparison  = local.at_least
      missing     = "notBreaching"
    }
  }
  alarms_of_clocks = {
    silent = {
      description = "Nobody calls it"
      metric      = "Invocations"
      statistic   = "Sum"
      periods     = 2
      threshold   = 1
      comparison  = "LessThanThreshold"
      missing     = "breaching"
    }
  }
  # Of what the function says itself.
  alarms_of_stripe = {
    refusing = {
      description = "It refuses what comes, as if a webhook secret were wrong"
      metric      = "RefusedDeliveries"
      statistic   = "Sum"
      period      = 3600
      periods     = 1
      threshold   = 3
      comparison  = local.at_least
      missing     = "notBreaching"
    }
    # With each minute it says how many events wait; Stripe's calls and strangers' say nothing of the clock.
    silent = {
      description = "The clock does not call it"
      metric      = "WaitingEvents"
      statistic   = "SampleCount"
      period      = 300
      periods     = 2
      threshold   = 1
      comparison  = "LessThanThreshold"
      missing     = "breaching"
    }
    waiting = {
      description = "Events wait that cannot be applied"
      metric      = "WaitingEvents"
      statistic   = "Minimum"
      period      = 300
      periods     = 6
      threshold   = 1
      comparison  = local.at_least
      missing     = "notBreaching"
    }
  }

  alarms = merge([
    for name, function in local.functions : {
      for kind, alarm in merge(
        local.alarms_of_all,
        function.has_url ? local.alarms_of_urls : {},
        function.each_minute && name != "stripe" ? local.alarms_of_clocks : {},
      ) : "${name}-${kind}" => merge(alarm, { function = name })
    }
  ]...)

  alarm_actions = var.alarm_topic_arn[*]
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.prefix}-${each.key}"
  alarm_description   = "${each.value.description} - see \"Alarms\" in docs/operations.md"
  namespace           = "AWS/Lambda"
  metric_name         = each.value.metric
  dimensions          = { FunctionName = aws_lambda_function.this[each.value.function].function_name }
  statistic           = each.value.statistic == "p99" ? null : each.value.statistic
  extended_statistic  = each.value.statistic == "p99" ? "p99" : null
  period              = 300
  evaluation_periods  = each.value.periods
  threshold           = coalesce(each.value.threshold, local.functions[each.value.function].slow_ms)
  comparison_operator = each.value.comparison
  treat_missing_data  = each.value.missing
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
}

# The function says with each minute how many events wait.
resource "aws_cloudwatch_log_metric_filter" "waiting" {
  name           = "waiting-events"
  log_group_name = aws_cloudwatch_log_group.this["stripe"].name
  pattern        = "{ $.fields.waiting_count = * }"

  metric_transformation {
    namespace = "Creel/${var.prefix}"
    name      = "WaitingEvents"
    value     = "$.fields.waiting_count"
  }
}

# One for each delivery without Stripe's signature.
resource "aws_cloudwatch_log_metric_filter" "refused" {
  name           = "refused-deliveries"
  log_group_name = aws_cloudwatch_log_group.this["stripe"].name
  pattern        = "{ $.fields.code = \"bad_signature\" }"

  metric_transformation {
    namespace = "Creel/${var.prefix}"
    name      = "RefusedDeliveries"
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "stripe" {
  for_each = local.alarms_of_stripe

  alarm_name          = "${var.prefix}-stripe-${each.key}"
  alarm_description   = "${each.value.description} - see \"Alarms\" in docs/operations.md"
  namespace           = "Creel/${var.prefix}"
  metric_name         = each.value.metric
  statistic           = each.value.statistic
  period              = each.value.period
  evaluation_periods  = each.value.periods
  threshold           = each.value.threshold
  comparison_operator = each.value.comparison
  treat_missing_data  = each.value.missing
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
}
