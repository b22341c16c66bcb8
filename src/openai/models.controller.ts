import { Controller, Get, Param } from '@nestjs/common';
import { ModelProvider, type ModelDescription } from '../model/model.provider.js';

/** OpenAI's model list, with what residency adds in `resident`. */
@Controller('v1/models')
export class ModelsController {
  constructor(readonly models: ModelProvider) {}

  @Get()
  list(): object {
    return { object: 'list', data: this.models.describeAll().map(formatModel) };
  }

  /** A name may hold slashes: `owner/name`. */
  @Get('*name')
  get(@Param('name') name: string | string[]): object {
    return formatModel(this.models.describe([name].flat().join('/')));
  }
}

function formatModel({ name, ...resident }: ModelDescription): object {
  const { loadedAt } = resident;
  return {
    id: name,
    object: 'model',
    created: loadedAt === undefined ? 0 : Math.floor(Date.parse(loadedAt) / 1000),
    owned_by: 'resident',
    resident,
  };
}
