data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

data "aws_region" "this" {}

locals {
  publishable = { SUPABASE_PUBLISHABLE_KEY = var.supabase_publishable_key }
  page        = { CREEL_ALLOWED_ORIGINS = join(",", var.allowed_origins) }

  functions = {
    agents = {
      description          = "Agents of signed-in people, and their documents"
      timeout              = 30
      reserved_concurrency = 20
      has_url              = true
      each_minute          = false
      environment          = merge(local.publishable, local.page)
      secrets              = []
      # People may wait 25 s for an agent.
      slow_ms = 27000
    }
    hosts = {
      description          = "Daemons of hosts that are no creel worker"
      timeout              = 30
      reserved_concurrency = 20
      has_url              = true
      each_minute          = false
      environment          = merge(local.publishable, local.page)
      secrets              = []
      slow_ms              = 3000
    }
    notifications = {
      description          = "Tells webhooks each minute what there is for them"
      timeout              = 60
      reserved_concurrency = 2
      has_url              = false
      each_minute          = true
      environment          = local.publishable
      secrets              = ["CREEL_NOTIFIER_KEY"]
      slow_ms              = 55000
    }
    stripe = {
      description          = "Takes Stripe's events, and does each minute what is due at Stripe"
      timeout              = 30
      reserved_concurrency = 20
      has_url              = true
      each_minute          = true
      environment          = local.publishable
      secrets = [
        "CREEL_STRIPE_KEY",
        "STRIPE_API_KEY",
        "STRIPE_WEBHOOK_SECRET",
        "STRIPE_CONNECT_WEBHOOK_SECRET",
      ]
      slow_ms = 5000
    }
    checkout = {
      description          = "Stripe's pages for people who pay and for hosts who earn"
      timeout              = 30
      reserved_concurrency = 10
      has_url              = true
      each_minute          = false
      environment          = merge(local.publishable, local.page)
      secrets              = ["CREEL_STRIPE_KEY", "STRIPE_API_KEY"]
      slow_ms              = 8000
    }
  }

  with_url     = { for name, function in local.functions : name => function if function.has_url }
  with_clock   = { for name, function in local.functions : name => function if function.each_minute }
  with_secrets = { for name, function in local.functions : name => function if length(function.secrets) > 0 }

  packages = coalesce(var.packages, "${path.module}/../../target/functions/${var.architecture}")
  parameters = join(":", [
    "arn", data.aws_partition.this.partition, "ssm", data.aws_region.this.region,
    data.aws_caller_identity.this.account_id, "parameter${var.secrets_prefix}",
  ])
}

resource "aws_lambda_function" "this" {
  for_each = local.functions

  function_name                  = "${var.prefix}-${each.key}"
  description                    = each.value.description
  role                           = aws_iam_role.this[each.key].arn
  runtime                        = "provided.al2023"
  handler                        = "bootstrap"
  architectures                  = [var.architecture]
  filename                       = "${local.packages}/${each.key}/bootstrap.zip"
  source_code_hash               = filebase64sha256("${local.packages}/${each.key}/bootstrap.zip")
  memory_size                    = 256
  timeout                        = each.value.timeout
  reserved_concurrent_executions = var.reserve_concurrency ? each.value.reserved_concurrency : -1

  environment {
    variables = merge(
      { SUPABASE_URL = var.supabase_url },
      each.value.environment,
      # What is a secret is only named here: the function reads it when it starts.
      { for variable in each.value.secrets : variable => "${var.secrets_prefix}/${each.key}/${variable}" },
    )
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.this[each.key].name
  }

  # A function without its permissions would fail at its first start.
  depends_on = [aws_iam_role_policy.log, aws_iam_role_policy.secrets]
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = local.functions

  name              = "/creel/${var.prefix}-${each.key}"
  retention_in_days = var.log_retention_days
}

# AWS asks nobody who they are: the function does, by a token, a host's key or Stripe's signature. Without either of the
# two permissions a URL answers 403.
resource "aws_lambda_function_url" "this" {
  for_each = local.with_url

  function_name      = aws_lambda_function.this[each.key].function_name
  authorization_type = "NONE"
}

resource "aws_lambda_permission" "url" {
  for_each = local.with_url

  function_name          = aws_lambda_function.this[each.key].function_name
  action                 = "lambda:InvokeFunctionUrl"
  principal              = "*"
  function_url_auth_type = "NONE"
}

resource "aws_lambda_permission" "invoke" {
  for_each = local.with_url

  function_name            = aws_lambda_function.this[each.key].function_name
  action                   = "lambda:InvokeFunction"
  principal                = "*"
  invoked_via_function_url = true
}

# What one run could not do, the next minute's does.
resource "aws_lambda_function_event_invoke_config" "this" {
  for_each = local.with_clock

  function_name                = aws_lambda_function.this[each.key].function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60
}

resource "aws_scheduler_schedule" "this" {
  for_each = local.with_clock

  name                = "${var.prefix}-${each.key}"
  schedule_expression = "rate(1 minute)"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.this[each.key].arn
    role_arn = aws_iam_role.clock[each.key].arn
    input    = jsonencode({ creel = "clock" })

    retry_policy {
      maximum_retry_attempts = 0
    }
  }
}
