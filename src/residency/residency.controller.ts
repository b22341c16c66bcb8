import { Controller, Get } from '@nestjs/common';
import { toResidencyBody, type ResidencyBody } from './residency.schema.js';
import { ResidencyService } from './residency.service.js';

/** What keeping the models resident costs and saves. */
@Controller('v1/residency')
export class ResidencyController {
  constructor(readonly residency: ResidencyService) {}

  @Get()
  get(): ResidencyBody {
    return toResidencyBody(this.residency.ledger());
  }
}
