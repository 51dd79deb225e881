terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # The first that knows invoked_via_function_url of a permission.
      version = ">= 6.29"
    }
  }
}
