data "aws_iam_policy_document" "assume" {
  for_each = toset(["lambda", "scheduler"])

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["${each.key}.amazonaws.com"]
    }
  }
}

# A function may write into its own log,
resource "aws_iam_role" "this" {
  for_each = local.functions

  name               = "${var.prefix}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.assume["lambda"].json
}

data "aws_iam_policy_document" "log" {
  for_each = local.functions

  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this[each.key].arn}:*"]
  }
}

resource "aws_iam_role_policy" "log" {
  for_each = local.functions

  name   = "log"
  role   = aws_iam_role.this[each.key].id
  policy = data.aws_iam_policy_document.log[each.key].json
}

# and read its own secrets; one that has none may read nothing.
data "aws_iam_policy_document" "secrets" {
  for_each = local.with_secrets

  statement {
    actions   = ["ssm:GetParameters"]
    resources = [for variable in each.value.secrets : "${local.parameters}/${each.key}/${variable}"]
  }

  dynamic "statement" {
    for_each = var.secrets_key_arn[*]

    content {
      actions   = ["kms:Decrypt"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["ssm.${data.aws_region.this.region}.${data.aws_partition.this.dns_suffix}"]
      }
    }
  }
}

resource "aws_iam_role_policy" "secrets" {
  for_each = local.with_secrets

  name   = "secrets"
  role   = aws_iam_role.this[each.key].id
  policy = data.aws_iam_policy_document.secrets[each.key].json
}

# The clock may call the one function that it is for.
resource "aws_iam_role" "clock" {
  for_each = local.with_clock

  name               = "${var.prefix}-${each.key}-clock"
  assume_role_policy = data.aws_iam_policy_document.assume["scheduler"].json
}

data "aws_iam_policy_document" "clock" {
  for_each = local.with_clock

  statement {
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_function.this[each.key].arn]
  }
}

resource "aws_iam_role_policy" "clock" {
  for_each = local.with_clock

  name   = "invoke"
  role   = aws_iam_role.clock[each.key].id
  policy = data.aws_iam_policy_document.clock[each.key].json
}
