output "urls" {
  description = "Where each function is that can be called."
  value       = { for name, url in aws_lambda_function_url.this : name => url.function_url }
}
